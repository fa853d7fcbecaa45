// Small components that plugins find under PluginApi.components.
import React from "react";
import { FontAwesomeIcon } from "@fortawesome/react-fontawesome";
import { Button, Modal, Spinner } from "react-bootstrap";
import { Link } from "react-router-dom";
import { component } from "./patch";

export const Icon = component("Icon", ({ icon, className = "", color, size }) => (
  <FontAwesomeIcon icon={icon} size={size} className={`fa-icon ${className}`} color={color} />
));

export const LoadingIndicator = component("LoadingIndicator", ({ message, inline = false, small = false }) => (
  <div className={`LoadingIndicator ${inline ? "inline" : ""} ${small ? "small" : ""}`}>
    <Spinner animation="border" role="status" size={small ? "sm" : undefined}><span className="sr-only">Loading...</span></Spinner>
    {message !== "" && <h4 className="LoadingIndicator-message">{message || "Loading..."}</h4>}
  </div>
));

export const AlertModal = component("AlertModal", ({ text, show, onConfirm, onCancel }) => (
  <Modal show={show} onHide={onCancel}>
    <Modal.Body>{text}</Modal.Body>
    <Modal.Footer>
      <Button variant="danger" onClick={onConfirm}>Confirm</Button>
      <Button variant="secondary" onClick={onCancel}>Cancel</Button>
    </Modal.Footer>
  </Modal>
));

export const TagLink = component("TagLink", ({ tag }) => <Link className="tag-item badge badge-secondary" to={`/tags/${tag.id}`}>{tag.name}</Link>);

export const titled = (scene) => scene.title || (scene.files && scene.files[0] ? scene.files[0].path.split("/").pop() : "");

export const SceneCard = component("SceneCard", ({ scene }) => (
  <div className="scene-card card">
    <Link to={`/scenes/${scene.id}`}>
      <img className="scene-card-preview-image" alt="" loading="lazy" src={new URL(`scene/${scene.id}/screenshot`, document.baseURI).toString()} />
      <h5 className="card-section-title">{titled(scene)}</h5>
    </Link>
  </div>
));

component("TruncatedText", ({ text }) => <div className="TruncatedText">{text}</div>);
