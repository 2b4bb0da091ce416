// Pages of this room beside the desk's panel.
import "./editors";
import "./player";
import "./script_editor";
import "./tasks_page";
