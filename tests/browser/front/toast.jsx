// One toast at a time: green for 3 s, red for 5 s with the whole text behind a button; a success while an error shows
// is lost.
import React, { createContext, useContext, useMemo, useRef, useState } from "react";
import { Button, Modal, Toast } from "react-bootstrap";

const Context = createContext(null);

export const sentence = (error) => (error instanceof Error ? error.message : String(error && error.message ? error.message : error));

export function ToastProvider({ children }) {
  const [shown, show] = useState(null);
  const [open, setOpen] = useState(false);
  const current = useRef(null);
  const face = useMemo(() => {
    const put = (next) => {
      if (current.current && current.current.variant === "danger" && next.variant === "success") return;
      current.current = next;
      show(next);
    };
    const toast = ({ content, variant = "success" }) => put({ content, variant });
    return {
      toast,
      success: (content) => toast({ content }),
      error: (error) => {
        const text = sentence(error);
        console.error(text);
        put({ content: text, variant: "danger" });
      },
    };
  }, []);
  const close = () => { current.current = null; show(null); };
  return (
    <Context.Provider value={face}>
      {children}
      <div className="toast-container" aria-live="polite">
        {shown && (
          <Toast className={shown.variant} autohide={!open} delay={shown.variant === "danger" ? 5000 : 3000} onClose={close}>
            <Toast.Header>
              <span className="mr-auto">{shown.content}</span>
              {shown.variant === "danger" && <Button size="sm" variant="secondary" onClick={() => setOpen(true)}>Details</Button>}
            </Toast.Header>
          </Toast>
        )}
      </div>
      <Modal show={open} onHide={() => setOpen(false)}><Modal.Body>{shown && shown.content}</Modal.Body></Modal>
    </Context.Provider>
  );
}

export const useToast = () => useContext(Context);
