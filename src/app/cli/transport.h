#pragma once
// HTTP to one hub, as the commands need it: blocking, one call at a time. The real one is http_transport.h; tests
// script their own.

#include <functional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/error.h"
#include "base/time.h"

namespace slipway::app::cli {

// The code of the Error when no answer came: refused, reset, timed out. Class transient; nothing is known about whether
// the hub did what was asked.
inline constexpr std::string_view kHubUnreachable = "HUB_UNREACHABLE";

struct Call {
  std::string method = "GET";
  std::string target;  // path and query, already percent-encoded
  std::string body{};  // JSON, or empty
  std::vector<std::pair<std::string, std::string>> headers{};
};

struct Answer {
  int status = 0;
  std::string body{};
  std::optional<base::Duration> retry_after{};
};

// Both return false to end the stream.
struct StreamSink {
  std::function<bool(std::string_view bytes)> on_bytes;
  std::function<bool()> on_idle;  // called a few times a second while nothing arrives, for animation
};

class Transport {
 public:
  virtual ~Transport() = default;
  // Any HTTP answer is an answer; only its absence throws (kHubUnreachable).
  virtual Answer send(const Call& call) = 0;
  // Feeds a 200 answer's body to the sink as it arrives; any other answer is returned whole. Returns when the hub ended
  // the stream or the sink did; throws kHubUnreachable when the connection broke.
  virtual Answer stream(const Call& call, const StreamSink& sink) = 0;
};

}  // namespace slipway::app::cli
