#include "app/cli/escape.h"

namespace slipway::app::cli {

EscapeDetector::Result EscapeDetector::feed(std::string_view typed) {
  Result result;
  for (const char key : typed) {
    if (state_ == State::tilde) {
      if (key == '.') {
        result.leave = true;
        return result;
      }
      if (key != '~') result.bytes += '~';  // it was meant as it is
      state_ = State::inside;
    } else if (state_ == State::line_start && key == '~') {
      state_ = State::tilde;
      continue;
    }
    result.bytes += key;
    state_ = key == '\r' || key == '\n' ? State::line_start : State::inside;
  }
  return result;
}

}  // namespace slipway::app::cli
