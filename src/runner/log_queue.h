#pragma once
// The lines of one job that the hub has not confirmed yet, numbered, in order (RUN-10). Decides when they are to be
// sent and what; sends nothing itself. Lines leave only when the hub says that it has them, so a failed flush loses
// none and a repeated one doubles none. For one thread.

#include <deque>
#include <optional>
#include <vector>

#include "base/time.h"
#include "fleet/job_messages.h"

namespace slipway::runner {

struct LogLimits {
  base::Duration debounce{250};         // a line waits no longer than this for others
  std::size_t flush_lines = 100;        // or until so many wait
  std::size_t lines_max = 10'000;       // then the provisioner is made to wait
  std::size_t bytes_max = 8 << 20;      // likewise
  std::size_t line_bytes = 16 << 10;    // what is longer becomes several lines
  std::size_t batch_lines = 1'000;      // in one update
  std::size_t batch_bytes = 512 << 10;  // in one update, and at least one line
};

class LogQueue {
 public:
  // `next`: the number of the first line to come.
  LogQueue(LogLimits limits, std::int64_t next) : limits_(limits), first_(next) {}

  // An output of several lines, or a very long one, becomes several. What is no UTF-8 is replaced.
  void push(fleet::LogLine line, base::Instant now);
  // When the oldest line is to be sent; empty when there is none.
  std::optional<base::Instant> due() const;
  struct Batch {
    std::int64_t first = 0;
    std::vector<fleet::LogLine> lines;
  };
  Batch batch() const;
  // The hub has all lines before `next`.
  void acknowledge(std::int64_t next);

  bool empty() const { return waiting_.empty(); }
  std::int64_t first() const { return first_; }                                // the oldest that is not confirmed
  std::int64_t end() const { return first_ + std::int64_t(waiting_.size()); }  // the next to come
  // False once a limit is reached, until half of it is free again. Lines that come all the same are taken.
  bool want_more() const { return !full_; }

 private:
  struct Waiting {
    fleet::LogLine line;
    base::Instant since;
  };
  void push_one(const fleet::LogLine& like, std::string_view output, base::Instant now);
  static std::size_t weight(const Waiting& waiting);

  LogLimits limits_;
  std::deque<Waiting> waiting_;
  std::int64_t first_;
  std::size_t bytes_ = 0;
  bool full_ = false;
};

// `text` with each byte that is not part of clean UTF-8, and each NUL, as U+FFFD.
std::string clean_utf8(std::string_view text);

}  // namespace slipway::runner
