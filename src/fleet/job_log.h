#pragma once
// The log of a job (RUN-10). Lines have numbers from 0 on, over all attempts of the job. Of a long log the head and the
// tail are kept; how many lines lie between is told in their place. It goes with its job.

#include <vector>

#include "fleet/job.h"

namespace slipway::fleet {

inline constexpr std::int64_t kLogHeadBytes = 512 * 1024;
inline constexpr std::int64_t kLogTailBytes = 2 * 1024 * 1024;
inline constexpr std::int64_t kLogPieceBytes = 16 * 1024;  // of one row: small ones are joined up to this

struct LogLimits {
  std::int64_t head = kLogHeadBytes, tail = kLogTailBytes;
};

// Appends lines of which the first has the number `first`; those that are there already are ignored. Gives the number
// of the line that comes next. Throws LOG_GAP (conflict; details.nextLog) where lines between are missing,
// VALIDATION_ERROR for a number below 0. `job` is locked.
std::int64_t append_log(store::Transaction& tx, Job& job, std::int64_t first, const std::vector<LogLine>& lines,
                        const LogLimits& limits = {});
// A line of the hub's own, such as that a daemon was lost.
void append_own_line(store::Transaction& tx, Job& job, LogLevel level, std::string stage, std::string output,
                     Instant now);

struct NumberedLine {
  std::int64_t number = 0;
  LogSource source = LogSource::provisioner;
  LogLevel level = LogLevel::info;
  std::string stage;
  Instant at;
  std::string output;
  std::optional<std::int64_t> left_out;  // in place of so many lines, up to `number`
};
SLIPWAY_JSON_CAMEL(NumberedLine, number, source, level, stage, at, output, left_out)
const json::Rules& json_rules(const NumberedLine*);

// From line `from` on, at most `limit`.
std::vector<NumberedLine> read_log(store::Transaction& tx, const JobId& id, std::int64_t from, std::int64_t limit);

}  // namespace slipway::fleet
