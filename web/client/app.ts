// The one script of all pages. Each capability brings a module of islands; a large one is loaded when it is needed.
import "@hotwired/turbo";
import { startDates } from "./dates";
import { startIslands } from "./islands";
import { startKeys } from "./keys";
import { startLive } from "./live";
import { startPhone } from "./phone/start";
import "./shell";
import "./bulletins";
import "./calls";
import "./desk";
import "./aftercall";
import "./groups";
import "./duplicates";
import "./appointments";
import "./corrections";
import "./records";
import "./classes";
import "./privacy";
import "./imports";
import "./reports";
import "./cases";

startIslands();
startDates();
startKeys();
startLive();
startPhone();
