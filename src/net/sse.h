#pragma once
// Server-sent events (WHATWG HTML, section 9.2): writing one, and reading a stream of them piece by piece.

#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "base/time.h"

namespace slipway::net {

struct ServerSentEvent {
  std::string id;     // without line breaks; empty: none
  std::string event;  // without line breaks; empty: "message"
  std::string data;   // may have line breaks
};

std::string format_event(const ServerSentEvent& event);
// A line that clients skip: keeps proxies from closing, and lets us notice a client that is gone.
std::string format_comment(std::string_view text = {});
// No event, but the place from which a reader that comes again goes on; it keeps the connection alive, too.
std::string format_place(std::string_view id);
std::string format_retry(base::Duration reconnect_after);

// Feed it bytes as they come, in any split. An event with more than `event_bytes_max` of data throws user
// EVENT_TOO_LARGE.
class EventParser {
 public:
  using OnEvent = std::function<void(ServerSentEvent)>;
  explicit EventParser(OnEvent on_event, std::size_t event_bytes_max = 4 << 20)
      : on_event_(std::move(on_event)), event_bytes_max_(event_bytes_max) {}

  void feed(std::string_view bytes);
  const std::string& last_event_id() const { return last_id_; }
  std::optional<base::Duration> retry() const { return retry_; }

 private:
  void take_line(std::string_view line);
  void take_field(std::string_view name, std::string_view value);
  void dispatch();

  OnEvent on_event_;
  std::size_t event_bytes_max_;
  std::string line_;
  bool at_start_ = true;  // a byte order mark is skipped
  bool after_cr_ = false;
  bool has_data_ = false;
  ServerSentEvent current_;
  std::string last_id_;
  std::optional<base::Duration> retry_;
};

}  // namespace slipway::net
