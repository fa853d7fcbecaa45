// Settings: the panel of the plugins and the panel of the tasks, and the components that they are made of.
import React, { createContext, useContext, useEffect, useState } from "react";
import { useApolloClient } from "@apollo/client";
import { Button, Card, Form, Modal, Nav, ProgressBar, Tab } from "react-bootstrap";
import { LinkContainer } from "react-router-bootstrap";
import { useHistory, useLocation } from "react-router-dom";
import { faLink, faTimes } from "@fortawesome/free-solid-svg-icons";
import * as GQL from "./gql";
import { component, container } from "./patch";
import { Icon, LoadingIndicator } from "./shared";
import { useToast } from "./toast";

const Context = createContext(null);
export function useSettings() {
  const found = useContext(Context);
  if (!found) throw new Error("useSettings must be used within a SettingsContext");
  return found;
}

export const Setting = component("Setting", ({ id, className = "", heading, headingID, subHeading, subHeadingID, children, onClick, disabled }) => (
  <div className={`setting ${className} ${disabled ? "disabled" : ""}`} id={id} onClick={onClick}>
    <div><h3>{heading || headingID}</h3><div className="sub-heading">{subHeading || subHeadingID}</div></div>
    <div>{children}</div>
  </div>
));

export const SettingGroup = component("SettingGroup", ({ settingProps, topLevel, collapsible, collapsedDefault, children }) => {
  const [open, setOpen] = useState(!collapsedDefault);
  return (
    <div className={`setting-group ${collapsible ? "collapsible" : ""}`}>
      <Setting {...settingProps}>
        {topLevel}
        {collapsible && <Button className="setting-group-collapse-button" variant="minimal" aria-label={open ? "Fold" : "Unfold"} onClick={() => setOpen(!open)}>{open ? "−" : "+"}</Button>}
      </Setting>
      {(open || !collapsible) && <div className="collapsible-section">{children}</div>}
    </div>
  );
});

export const SettingModal = component("SettingModal", ({ heading, subHeading, value, close, renderField }) => {
  const [current, setCurrent] = useState(value);
  return (
    <Modal show onHide={() => close()} id="setting-dialog" aria-label={String(heading)}>
      <Form onSubmit={(event) => { event.preventDefault(); close(current); }}>
        <Modal.Header closeButton>{heading}</Modal.Header>
        <Modal.Body>{renderField(current, setCurrent)}{subHeading && <div className="sub-heading">{subHeading}</div>}</Modal.Body>
        <Modal.Footer>
          <Button variant="secondary" onClick={() => close()}>Cancel</Button>
          <Button type="submit" variant="primary">Confirm</Button>
        </Modal.Footer>
      </Form>
    </Modal>
  );
});

export const ModalSetting = component("ModalSetting", ({ id, heading, subHeading, value, onChange, renderField, renderValue }) => {
  const [open, setOpen] = useState(false);
  return (
    <>
      {open && <SettingModal heading={heading} subHeading={subHeading} value={value} renderField={renderField}
        close={(next) => { if (next !== undefined) onChange(next); setOpen(false); }} />}
      <div className="setting" id={id}>
        <div><h3>{heading}</h3><div className="value">{renderValue ? renderValue(value) : value}</div><div className="sub-heading">{subHeading}</div></div>
        <div><Button onClick={() => setOpen(true)}>Edit</Button></div>
      </div>
    </>
  );
});

export const BooleanSetting = component("BooleanSetting", ({ id, heading, subHeading, checked, onChange, disabled }) => (
  <Setting id={id} heading={heading} subHeading={subHeading} disabled={disabled}>
    <Form.Switch id={`${id}-switch`} aria-label={String(heading)} checked={!!checked} disabled={disabled} onChange={() => onChange(!checked)} />
  </Setting>
));

export const StringSetting = component("StringSetting", (props) => (
  <ModalSetting {...props} renderField={(value, set) => (
    <Form.Control className="text-input" aria-label={String(props.heading)} value={value || ""} onChange={(event) => set(event.currentTarget.value)} />
  )} renderValue={(value) => <span>{value}</span>} />
));

export const NumberSetting = component("NumberSetting", (props) => (
  <ModalSetting {...props} renderField={(value, set) => (
    <Form.Control className="text-input" aria-label={String(props.heading)} type="number" value={value || 0} onChange={(event) => set(Number(event.currentTarget.value || 0))} />
  )} renderValue={(value) => <span>{value}</span>} />
));

export const SelectSetting = component("SelectSetting", ({ id, heading, subHeading, value, children, onChange }) => (
  <Setting id={id} heading={heading} subHeading={subHeading}>
    <Form.Control as="select" className="input-control" aria-label={String(heading)} value={value || ""} onChange={(event) => onChange(event.currentTarget.value)}>{children}</Form.Control>
  </Setting>
));

const PluginSettings = component("PluginSettings", ({ pluginID, settings }) => {
  const { plugins, savePluginSettings } = useSettings();
  const saved = plugins[pluginID] || {};
  const kinds = { BOOLEAN: BooleanSetting, NUMBER: NumberSetting };
  return (
    <div className="plugin-settings">
      {settings.map((setting) => {
        const Kind = kinds[setting.type] || StringSetting;
        const value = saved[setting.name];
        return (
          <Kind key={setting.name} id={`plugin-${pluginID}-${setting.name}`} heading={setting.display_name || setting.name} subHeading={setting.description}
            checked={value} value={setting.type === "NUMBER" ? value || 0 : value}
            onChange={(next) => savePluginSettings(pluginID, { ...saved, [setting.name]: next })} />
        );
      })}
    </div>
  );
});

const SettingsToolsSection = container("SettingsToolsSection");

function Section({ heading, children }) {
  return <div className="setting-section"><h1>{heading}</h1><Card>{children}</Card></div>;
}

function PluginsPanel() {
  const { data } = GQL.usePluginsQuery();
  const { loading } = useSettings();
  if (!data || loading) return <LoadingIndicator />;
  return (
    <Section heading="Plugins">
      {data.plugins.map((plugin) => (
        <SettingGroup key={plugin.id} settingProps={{ heading: `${plugin.name} ${plugin.version || "undefined"}`, subHeading: plugin.description, className: plugin.enabled ? "" : "disabled" }}
          topLevel={<>
            {plugin.url && <Button as="a" href={plugin.url} className="minimal link" variant="minimal" aria-label="Link" target="_blank" rel="noopener noreferrer"><Icon icon={faLink} /></Button>}
            <Button size="sm" variant="primary">{plugin.enabled ? "Disable" : "Enable"}</Button>
          </>}>
          {(plugin.hooks || []).map((hook) => (
            <div key={hook.name} className="setting"><div><h3>{hook.name}</h3><div className="sub-heading">{hook.description}</div></div><div /></div>
          ))}
          <PluginSettings pluginID={plugin.id} settings={plugin.settings || []} />
        </SettingGroup>
      ))}
    </Section>
  );
}

function Jobs() {
  const { data } = GQL.useJobQueueQuery({ pollInterval: 500, fetchPolicy: "network-only" });
  const [stop] = GQL.useStopJobMutation();
  const jobs = (data && data.jobQueue) || [];
  return (
    <Section heading="Job Queue">
      <div className="job-table">
        {jobs.length ? jobs.map((job) => (
          <div key={job.id} className="job">
            <div>{job.description}</div>
            <ProgressBar animated now={(job.progress || 0) * 100} aria-label={job.description} />
            <Button variant="minimal" aria-label="Stop" onClick={() => stop({ variables: { job_id: job.id } })}><Icon icon={faTimes} /></Button>
          </div>
        )) : <span className="empty-queue-message">No tasks are currently running.</span>}
      </div>
    </Section>
  );
}

function TasksPanel() {
  const { data } = GQL.usePluginsQuery();
  const [run] = GQL.useRunPluginTaskMutation();
  const Toast = useToast();
  const start = async (plugin, task) => {
    try {
      await run({ variables: { plugin_id: plugin.id, task_name: task.name } });
      Toast.success(`Added ${task.name} to job queue`);
    } catch (error) {
      Toast.error(error);
    }
  };
  return (
    <>
      <Jobs />
      <Section heading="Plugin Tasks">
        {((data && data.plugins) || []).filter((plugin) => plugin.enabled && (plugin.tasks || []).length).map((plugin) => (
          <SettingGroup key={plugin.id} collapsible settingProps={{ heading: plugin.name }}>
            {plugin.tasks.map((task) => (
              <Setting key={task.name} heading={task.name} subHeading={task.description}>
                <Button variant="secondary" size="sm" onClick={() => start(plugin, task)}>{task.name}</Button>
              </Setting>
            ))}
          </SettingGroup>
        ))}
      </Section>
    </>
  );
}

const ToolsPanel = () => (
  <>
    <Section heading="Tools"><SettingsToolsSection><Setting heading="GraphQL playground" /></SettingsToolsSection></Section>
    <Section heading="Scene Tools"><SettingsToolsSection><Setting heading="Filename parser" /><Setting heading="Duplicate checker" /></SettingsToolsSection></Section>
  </>
);

const PANELS = { tasks: ["Tasks", TasksPanel], plugins: ["Plugins", PluginsPanel], tools: ["Tools", ToolsPanel] };

function SettingsProvider({ children }) {
  const { data, refetch } = GQL.useConfigurationQuery();
  const client = useApolloClient();
  const Toast = useToast();
  const [plugins, setPlugins] = useState({});
  useEffect(() => { if (data) setPlugins(data.configuration.plugins || {}); }, [data]);
  const savePluginSettings = async (plugin_id, input) => {
    setPlugins((all) => ({ ...all, [plugin_id]: input }));
    try {
      await client.mutate({ mutation: GQL.ConfigurePluginDocument, variables: { plugin_id, input } });
      await refetch();
    } catch (error) {
      Toast.error(error);
    }
  };
  return <Context.Provider value={{ loading: !data, plugins, savePluginSettings }}>{children}</Context.Provider>;
}

export default function Settings() {
  const tab = new URLSearchParams(useLocation().search).get("tab") || "tasks";
  const history = useHistory();
  return (
    <Tab.Container activeKey={tab} id="configuration-tabs" onSelect={(key) => history.push(`/settings?tab=${key}`)}>
      <div className="row">
        <div id="settings-menu-container" className="col-md-2">
          <Nav variant="pills" className="flex-column">
            {Object.entries(PANELS).map(([key, [name]]) => (
              <Nav.Item key={key}><LinkContainer to={`/settings?tab=${key}`} isActive={() => tab === key}><Nav.Link eventKey={key}>{name}</Nav.Link></LinkContainer></Nav.Item>
            ))}
          </Nav>
        </div>
        <div id="settings-container" className="col-md-9">
          <SettingsProvider>
            <Tab.Content className="mx-auto">
              {Object.entries(PANELS).map(([key, [, Panel]]) => <Tab.Pane key={key} eventKey={key} mountOnEnter unmountOnExit><Panel /></Tab.Pane>)}
            </Tab.Content>
          </SettingsProvider>
        </div>
      </div>
    </Tab.Container>
  );
}
