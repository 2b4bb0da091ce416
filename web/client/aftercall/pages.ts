// Pages of this room beside the desk's panel.
import "./editors";
import "./player";
import "./tasks_page";
