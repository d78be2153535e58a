// The libraries of the page, one file of them: see make.
export { render } from "preact";
export { useEffect, useLayoutEffect, useRef, useState } from "preact/hooks";
import { h } from "preact";
import htm from "htm";
export const html = htm.bind(h);
