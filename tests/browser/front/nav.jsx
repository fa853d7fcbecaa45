// The bar: at the bottom with a menu below 576 px, else at the top. What plugins put into it is drawn twice.
import React, { useState } from "react";
import { Button, Nav, Navbar } from "react-bootstrap";
import { Link, NavLink } from "react-router-dom";
import { faBars, faChartColumn, faCog, faPlayCircle, faQuestionCircle } from "@fortawesome/free-solid-svg-icons";
import { container } from "./patch";
import { Icon } from "./shared";

const MenuItems = container("MainNavBar.MenuItems");
const UtilityItems = container("MainNavBar.UtilityItems");

const Utility = ({ to, title, icon }) => (
  <NavLink className="nav-utility" exact to={to} tabIndex={-1}>
    <Button className="minimal d-flex align-items-center h-100" title={title}><Icon icon={icon} /></Button>
  </NavLink>
);

function Utilities() {
  return (
    <UtilityItems>
      <>
        <Utility to="/stats" title="Statistics" icon={faChartColumn} />
        <Utility to="/settings" title="Settings" icon={faCog} />
        <Button className="nav-utility minimal" title="Help"><Icon icon={faQuestionCircle} /></Button>
      </>
    </UtilityItems>
  );
}

export default function MainNavbar() {
  const [open, setOpen] = useState(false);
  return (
    <Navbar collapseOnSelect fixed="top" variant="dark" bg="dark" className="top-nav" expand="xl" expanded={open} onToggle={setOpen}>
      <Navbar.Collapse className="bg-dark order-sm-1" id="menu">
        <Nav className="mr-md-auto">
          <MenuItems>
            <Nav.Link as="div" className="col-4 col-sm-3 col-md-2 col-lg-auto"><Link className="minimal p-4 p-xl-2 btn" to="/scenes"><Icon icon={faPlayCircle} className="nav-menu-icon d-block d-xl-inline mb-2 mb-xl-0" /><span>Scenes</span></Link></Nav.Link>
          </MenuItems>
        </Nav>
        <Nav className="menu-utilities d-sm-none"><Utilities /></Nav>
      </Navbar.Collapse>
      <Navbar.Brand as="div"><Link to="/"><Button className="minimal brand-link d-inline-block">Stash</Button></Link></Navbar.Brand>
      <Nav className="navbar-buttons flex-row ml-auto order-xl-2">
        <div className="d-none d-sm-flex"><Utilities /></div>
        <Navbar.Toggle className="nav-menu-toggle ml-sm-2" aria-label="Menu"><Icon icon={faBars} /></Navbar.Toggle>
      </Nav>
    </Navbar>
  );
}
