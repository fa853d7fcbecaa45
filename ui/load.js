// Loads a module of the page by name. Apart from the loader, because a browser without import() cannot even read this line.
window.plexSyncImport = (name) => import(`./${name}.js`);
