// The dashboard's one script. Every page works as links and forms first; this adds what cannot be had without a script: several
// uploads with progress, rows that change by themselves, a streamed answer, menus that close. Nothing here writes markup: what is
// shown is cloned from the page or rendered by the server.

import "./config";
import { startDebugger } from "./debugger";
import { freshInspector, startInspector } from "./inspector";
import { startLive } from "./live";
import { drawAnswers, startPlayground } from "./playground";
import { startBot } from "./bot";
import { startParts } from "./parts";
import { startUploads } from "./upload";

document.documentElement.classList.add("js");

startParts();
startUploads();
startLive();
startPlayground();
startBot();
startInspector();
startDebugger();

function fresh(): void {
  drawAnswers();
  freshInspector();
}
fresh();
document.addEventListener("htmx:afterSettle", fresh);
