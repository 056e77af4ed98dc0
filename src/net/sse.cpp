#include "net/sse.h"

#include <charconv>

#include "base/error.h"

namespace slipway::net {

namespace {

constexpr std::string_view kByteOrderMark = "\xef\xbb\xbf";

// A line break inside a field would end it and begin another.
void append_field(std::string& out, std::string_view name, std::string_view value) {
  out.append(name).append(": ");
  for (const char c : value)
    if (c != '\r' && c != '\n' && c != '\0') out += c;
  out += '\n';
}

}  // namespace

std::string format_event(const ServerSentEvent& event) {
  std::string out;
  out.reserve(event.data.size() + 64);
  if (!event.id.empty()) append_field(out, "id", event.id);
  if (!event.event.empty()) append_field(out, "event", event.event);
  std::string_view rest = event.data;
  for (;;) {
    const auto end = rest.find_first_of("\r\n");
    out.append("data: ").append(rest.substr(0, end)).append("\n");
    if (end == std::string_view::npos) break;
    const bool crlf = rest.substr(end).starts_with("\r\n");
    rest.remove_prefix(end + (crlf ? 2 : 1));
  }
  out += '\n';
  return out;
}

std::string format_comment(std::string_view text) {
  std::string out = ":";
  if (!text.empty()) out += ' ';
  for (const char c : text) out += c == '\r' || c == '\n' ? ' ' : c;
  return out + "\n\n";
}

std::string format_place(std::string_view id) { return "id: " + std::string(id) + "\n\n"; }

std::string format_retry(base::Duration reconnect_after) {
  return "retry: " + std::to_string(reconnect_after.count()) + "\n\n";
}

void EventParser::feed(std::string_view bytes) {
  for (const char c : bytes) {
    const bool second_of_crlf = after_cr_ && c == '\n';
    after_cr_ = c == '\r';
    if (second_of_crlf) continue;
    if (c != '\r' && c != '\n') {
      line_ += c;
      if (line_.size() + current_.data.size() > event_bytes_max_)
        throw base::Error(base::ErrorClass::user, "EVENT_TOO_LARGE", "a server-sent event is too large");
      continue;
    }
    const std::string line = std::exchange(line_, {});
    const bool marked = std::exchange(at_start_, false) && line.starts_with(kByteOrderMark);
    take_line(std::string_view(line).substr(marked ? kByteOrderMark.size() : 0));
  }
}

void EventParser::take_line(std::string_view line) {
  if (line.empty()) return dispatch();
  const auto colon = line.find(':');
  if (colon == 0) return;  // a comment
  if (colon == std::string_view::npos) return take_field(line, {});
  std::string_view value = line.substr(colon + 1);
  if (value.starts_with(' ')) value.remove_prefix(1);
  take_field(line.substr(0, colon), value);
}

void EventParser::take_field(std::string_view name, std::string_view value) {
  if (name == "data") {
    if (has_data_) current_.data += '\n';
    current_.data += value;
    has_data_ = true;
  } else if (name == "event") {
    current_.event = value;
  } else if (name == "id") {
    if (!value.contains('\0')) last_id_ = value;
  } else if (name == "retry") {
    std::int64_t ms = 0;
    const auto [end, failure] = std::from_chars(value.data(), value.data() + value.size(), ms);
    if (failure == std::errc() && end == value.data() + value.size() && ms >= 0) retry_ = base::Duration(ms);
  }
}

void EventParser::dispatch() {
  ServerSentEvent event = std::exchange(current_, {});
  if (!std::exchange(has_data_, false)) return;  // an event without data is none
  event.id = last_id_;
  on_event_(std::move(event));
}

}  // namespace slipway::net
