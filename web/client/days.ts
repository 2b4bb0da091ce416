// How days and moments are typed here, and which of them are in the calendar.

const TYPED = /^(\d{4})[-/.\u5e74]?(\d{1,2})[-/.\u6708]?(\d{1,2})\u65e5?(?:[ T]+(\d{1,2})[:\uff1a](\d{2}))?$/;

// "2026/1/5" as 2026-01-05 and, where the hour is asked, "2026/1/5 9:05" as 2026-01-05 09:05; nothing where the calendar
// or the clock has no such thing.
export function dayText(typed: string, hour: boolean): string | null {
  const parts = TYPED.exec(typed.trim());
  if (!parts || (hour && parts[4] === undefined)) return null;
  const two = (text = ""): string => text.padStart(2, "0");
  const written = `${parts[1]}-${two(parts[2])}-${two(parts[3])}T${hour ? `${two(parts[4])}:${parts[5]}` : "00:00"}`;
  const at = Date.parse(`${written}:00Z`);
  if (Number.isNaN(at) || new Date(at).toISOString().slice(0, 16) !== written) return null;
  return hour ? written.replace("T", " ") : written.slice(0, 10);
}
