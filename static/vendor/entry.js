// The libraries of the page, one file of them: see make. Marked gives its lexer only: the page builds elements from the
// tokens itself, so that no HTML string, sanitised or not, ever reaches the document.
export { h, render, Fragment, createRef } from "preact";
export { useEffect, useLayoutEffect, useMemo, useRef, useState } from "preact/hooks";
import { h } from "preact";
import htm from "htm";
export const html = htm.bind(h);
export { Lexer } from "marked";
