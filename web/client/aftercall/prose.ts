// An article's text as elements: the same safe subset of Markdown as crm/knowledge/markdown.py reads. Text becomes
// text nodes only, so nothing in an article can become a tag.
import { make } from "./shapes";

const SPANS = /\*\*([^*\n]+)\*\*|\*([^*\s][^*\n]*)\*|`([^`\n]+)`/g;

function spans(text: string): (Node | string)[] {
  const found: (Node | string)[] = [];
  let covered = 0;
  for (const match of text.matchAll(SPANS)) {
    found.push(text.slice(covered, match.index));
    covered = match.index + match[0].length;
    const tag = match[1] !== undefined ? "strong" : match[2] !== undefined ? "em" : "code";
    found.push(make(tag, {}, match[1] ?? match[2] ?? match[3] ?? ""));
  }
  found.push(text.slice(covered));
  return found;
}

export function drawBlocks(text: string): HTMLElement[] {
  const blocks: HTMLElement[] = [];
  let kind = "";
  let open: HTMLElement | null = null;
  const into = (wanted: string, tag: "ul" | "ol" | "blockquote" | "table" | "p"): HTMLElement => {
    if (kind !== wanted || !open) { kind = wanted; open = make(tag); blocks.push(open); }
    return open;
  };
  for (const raw of text.split(/\r?\n/)) {
    const line = raw.trim();
    let match: RegExpExecArray | null;
    if (!line) { kind = ""; open = null; }
    else if ((match = /^(#{1,3})[ \t]+(.+)$/.exec(line))) { kind = ""; open = null; blocks.push(make(match[1]!.length === 1 ? "h2" : "h3", {}, ...spans(match[2]!))); }
    else if (/^\|[ \t:|-]+\|$/.test(line)) into("table", "table");
    else if ((match = /^\|(.+)\|$/.exec(line))) {
      const table = into("table", "table");
      const cell = table.childElementCount ? "td" : "th";
      table.append(make("tr", {}, ...match[1]!.split("|").map((part) => make(cell, {}, ...spans(part.trim())))));
    }
    else if ((match = /^[-*•][ \t]+(.+)$/.exec(line))) into("bullets", "ul").append(make("li", {}, ...spans(match[1]!)));
    else if ((match = /^\d{1,3}[.)、][ \t]*(.+)$/.exec(line))) into("numbers", "ol").append(make("li", {}, ...spans(match[1]!)));
    else if ((match = /^>[ \t]?(.*)$/.exec(line))) into("quote", "blockquote").append(make("p", {}, ...spans(match[1]!)));
    else {
      const paragraph = into("paragraph", "p");
      if (paragraph.childNodes.length) paragraph.append(make("br"));
      paragraph.append(...spans(line));
    }
  }
  return blocks;
}
