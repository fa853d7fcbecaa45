// The documents and hooks that plugins use of Stash's generated ones, by the same names.
import { gql, useMutation, useQuery } from "@apollo/client";
import { useEffect, useRef, useState } from "react";

const SETTINGS = "settings { name display_name description type }";

export const PluginsDocument = gql`query Plugins {
  plugins {
    id name description url version enabled requires
    tasks { name description } hooks { name description hooks } ${SETTINGS} paths { javascript css }
  }
}`;
export const PluginTasksDocument = PluginsDocument;
export const ConfigurationDocument = gql`query Configuration {
  configuration { general { username logLevel } plugins }
}`;
export const JobQueueDocument = gql`query JobQueue {
  jobQueue { id status subTasks description progress startTime endTime addTime error }
}`;
export const FindJobDocument = gql`query FindJob($input: FindJobInput!) {
  findJob(input: $input) { id status subTasks description progress startTime endTime addTime error }
}`;
export const FindScenesDocument = gql`query FindScenes($filter: FindFilterType) {
  findScenes(filter: $filter) { count scenes { id title date files { id path size duration } } }
}`;
export const FindSceneDocument = gql`query FindScene($id: ID!) {
  findScene(id: $id) {
    id title code details director urls date rating100 organized created_at updated_at
    files { id path basename size duration } paths { screenshot stream } studio { id name }
    tags { id name } performers { id name } stash_ids { endpoint stash_id }
  }
}`;
export const ConfigurePluginDocument = gql`mutation ConfigurePlugin($plugin_id: ID!, $input: Map!) {
  configurePlugin(plugin_id: $plugin_id, input: $input)
}`;
export const RunPluginTaskDocument = gql`mutation RunPluginTask($plugin_id: ID!, $task_name: String!, $args_map: Map) {
  runPluginTask(plugin_id: $plugin_id, task_name: $task_name, args_map: $args_map)
}`;
export const StopJobDocument = gql`mutation StopJob($job_id: ID!) { stopJob(job_id: $job_id) }`;
export const SceneUpdateDocument = gql`mutation SceneUpdate($input: SceneUpdateInput!) {
  sceneUpdate(input: $input) { id title }
}`;

export const JobStatus = {
  Ready: "READY", Running: "RUNNING", Stopping: "STOPPING",
  Finished: "FINISHED", Cancelled: "CANCELLED", Failed: "FAILED",
};

export const usePluginsQuery = (options) => useQuery(PluginsDocument, options);
export const usePluginTasksQuery = (options) => useQuery(PluginsDocument, options);
export const useConfigurationQuery = (options) => useQuery(ConfigurationDocument, options);
export const useJobQueueQuery = (options) => useQuery(JobQueueDocument, options);
export const useFindJobQuery = (options) => useQuery(FindJobDocument, options);
export const useFindScenesQuery = (options) => useQuery(FindScenesDocument, options);
export const useFindSceneQuery = (options) => useQuery(FindSceneDocument, options);
export const useConfigurePluginMutation = (options) => useMutation(ConfigurePluginDocument, options);
export const useRunPluginTaskMutation = (options) => useMutation(RunPluginTaskDocument, options);
export const useStopJobMutation = (options) => useMutation(StopJobDocument, options);
export const useSceneUpdateMutation = (options) => useMutation(SceneUpdateDocument, options);

// Stash tells of jobs by a web socket; the tests' Stash has none, so this looks every quarter of a second and tells
// the same events. Only while a component listens.
export function useJobsSubscribeSubscription() {
  const { refetch } = useQuery(JobQueueDocument, { fetchPolicy: "network-only" });
  const [event, tell] = useState(undefined);
  const known = useRef({});
  useEffect(() => {
    const look = async () => {
      const { data } = await refetch();
      const now = {};
      for (const job of data.jobQueue || []) {
        now[job.id] = job;
        const old = known.current[job.id];
        if (!old || old.progress !== job.progress || old.status !== job.status)
          tell({ jobsSubscribe: { type: old ? "UPDATE" : "ADD", job } });
      }
      for (const id of Object.keys(known.current))
        if (!now[id]) tell({ jobsSubscribe: { type: "REMOVE", job: { ...known.current[id], status: "FINISHED" } } });
      known.current = now;
    };
    const timer = setInterval(() => look().catch(() => {}), 250);
    return () => clearInterval(timer);
  }, []);
  return { data: event, loading: event === undefined, error: undefined };
}

export const useLoggingSubscribeSubscription = () => ({ data: undefined, loading: true, error: undefined });
