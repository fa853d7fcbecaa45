// The list of scenes and a scene's page, whose tabs plugins extend; all panes are mounted at once, but the edit pane.
import React, { useState } from "react";
import { Button, Form, Nav, Tab } from "react-bootstrap";
import { useParams } from "react-router-dom";
import * as GQL from "./gql";
import { component, container } from "./patch";
import { LoadingIndicator, SceneCard, titled } from "./shared";
import { useToast } from "./toast";

const Tabs = container("ScenePage.Tabs");
const TabContent = container("ScenePage.TabContent");

export function Scenes() {
  const { data } = GQL.useFindScenesQuery({ variables: { filter: { per_page: 40 } }, fetchPolicy: "cache-and-network" });
  if (!data) return <LoadingIndicator />;
  return (
    <div className="item-list-container">
      <h1 className="h4">Scenes ({data.findScenes.count})</h1>
      <div className="row justify-content-center">{data.findScenes.scenes.map((scene) => <SceneCard key={scene.id} scene={scene} />)}</div>
    </div>
  );
}

function EditPanel({ scene }) {
  const [title, setTitle] = useState(scene.title || "");
  const [save] = GQL.useSceneUpdateMutation();
  const Toast = useToast();
  return (
    <Form onSubmit={async (event) => {
      event.preventDefault();
      await save({ variables: { input: { id: scene.id, title } } });
      Toast.success("Updated scene");
    }}>
      <Form.Control className="text-input" aria-label="Title" value={title} onChange={(event) => setTitle(event.currentTarget.value)} />
      <Button type="submit" className="edit-button" variant="primary">Save</Button>
    </Form>
  );
}

const ScenePage = component("ScenePage", (props) => {
  const { scene } = props;
  const [active, setActive] = useState("scene-details-panel");
  return (
    <div className="row">
      <div className="scene-tabs order-xl-first order-last">
        <h3 className="scene-header">{titled(scene)}</h3>
        <Tab.Container activeKey={active} onSelect={setActive}>
          <div>
            <Nav variant="tabs" className="mr-auto">
              <Tabs {...props}>
                <Nav.Item><Nav.Link eventKey="scene-details-panel">Details</Nav.Link></Nav.Item>
                <Nav.Item><Nav.Link eventKey="scene-file-info-panel">File Info</Nav.Link></Nav.Item>
                <Nav.Item><Nav.Link eventKey="scene-history-panel">History</Nav.Link></Nav.Item>
                <Nav.Item><Nav.Link eventKey="scene-edit-panel">Edit</Nav.Link></Nav.Item>
              </Tabs>
            </Nav>
          </div>
          <Tab.Content>
            <TabContent {...props}>
              <Tab.Pane eventKey="scene-details-panel"><p>{scene.details}</p>{scene.performers.map((one) => <span key={one.id} className="badge badge-secondary mr-1">{one.name}</span>)}</Tab.Pane>
              <Tab.Pane eventKey="scene-file-info-panel">{scene.files.map((file) => <p key={file.id} className="text-break">{file.path}</p>)}</Tab.Pane>
              <Tab.Pane eventKey="scene-history-panel">{scene.updated_at}</Tab.Pane>
              <Tab.Pane eventKey="scene-edit-panel" mountOnEnter><EditPanel scene={scene} /></Tab.Pane>
            </TabContent>
          </Tab.Content>
        </Tab.Container>
      </div>
      <div className="scene-player-container"><div className="scene-player">▶</div></div>
    </div>
  );
});

export function SceneLoader() {
  const { id } = useParams();
  const { data, error } = GQL.useFindSceneQuery({ variables: { id }, fetchPolicy: "cache-and-network" });
  if (error) throw error;
  if (!data) return <LoadingIndicator />;
  if (!data.findScene) return <div>Scene not found</div>;
  return <ScenePage key={id} scene={data.findScene} queueScenes={[]} collapsed={false} setCollapsed={() => {}} setTimestamp={() => {}} onDelete={() => {}} />;
}
