#pragma once
// Blocking input and output on file descriptors of this process, for worker threads: descriptors that are shared with
// other programs (a terminal, a pipe) must not be made non-blocking, so the loop cannot use them itself.

#include <optional>
#include <string>
#include <string_view>

#include "base/unique_fd.h"

namespace slipway::app::cli {

// A reader that can be told to stop while it waits. `read` from one thread, `stop` from any.
class InputReader {
 public:
  explicit InputReader(int fd);
  // The next bytes; empty at the end of input; no value once stopped.
  std::optional<std::string> read();
  void stop();

 private:
  int fd_;
  base::UniqueFd stopped_;
};

// All of it, however long the reader takes. Throws OUTPUT_CLOSED when nobody reads any more.
void write_fully(int fd, std::string_view bytes);

}  // namespace slipway::app::cli
