#pragma once
// The way out of a terminal session whose other side no longer listens: `~.` at the beginning of a line, as in ssh.

#include <string>
#include <string_view>

namespace slipway::app::cli {

class EscapeDetector {
 public:
  struct Result {
    std::string bytes;  // what to send on
    bool leave = false;
  };
  // A '~' that begins a line is held until the next key says what it meant; `~~` is one '~'.
  Result feed(std::string_view typed);

 private:
  enum class State { line_start, tilde, inside };
  State state_ = State::line_start;
};

}  // namespace slipway::app::cli
