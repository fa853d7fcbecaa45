// The one Apollo client; an expired session leads to the login page, as in Stash.
import { ApolloClient, InMemoryCache, HttpLink, from } from "@apollo/client";
import { onError } from "@apollo/client/link/error";

let client;

export function getClient() {
  if (client) return client;
  const uri = new URL("graphql", document.baseURI).toString();
  const expired = onError(({ networkError }) => {
    if (networkError && networkError.statusCode === 401) {
      const base = new URL(document.baseURI).pathname;
      window.location.href = `${base}login?returnURL=${encodeURIComponent(window.location.pathname + window.location.search)}`;
    }
  });
  client = new ApolloClient({ link: from([expired, new HttpLink({ uri })]), cache: new InMemoryCache() });
  return client;
}
