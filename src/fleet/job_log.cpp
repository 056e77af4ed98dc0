#include "fleet/job_log.h"

#include <algorithm>

namespace slipway::fleet {
namespace {

struct Piece {
  std::int64_t first = 0, count = 0, bytes = 0;
  bool is_tail = false;
  std::int64_t next() const { return first + count; }
};

std::optional<Piece> last_piece(store::Transaction& tx, const JobId& id) {
  const auto rows = tx.query(
      "SELECT first_line, line_count, bytes, tail FROM provisioner_job_logs WHERE job_id = $1 "
      "ORDER BY first_line DESC LIMIT 1",
      {id.str()});
  if (rows.empty()) return std::nullopt;
  const auto& row = rows.front();
  return Piece{row.integer(0), row.integer(1), row.integer(2), row.integer(3) != 0};
}

// The text without the brackets, to be put behind others.
std::string elements(const std::vector<LogLine>& lines, std::size_t begin, std::size_t end) {
  std::string text;
  for (std::size_t i = begin; i < end; ++i) text += (text.empty() ? "" : ",") + json::print(lines[i]);
  return text;
}

void insert_piece(store::Transaction& tx, const JobId& id, const Piece& piece, const std::string& text) {
  tx.execute(
      "INSERT INTO provisioner_job_logs (job_id, first_line, line_count, bytes, tail, lines) "
      "VALUES ($1, $2, $3, $4, $5, $6)",
      {id.str(), piece.first, piece.count, piece.bytes, piece.is_tail, "[" + text + "]"});
}

void extend_piece(store::Transaction& tx, const JobId& id, const Piece& piece, std::int64_t count,
                  const std::string& text) {
  tx.execute(
      "UPDATE provisioner_job_logs SET line_count = line_count + $3, bytes = bytes + $4, "
      "lines = substr(lines, 1, length(lines) - 1) || $5 WHERE job_id = $1 AND first_line = $2",
      {id.str(), piece.first, count, std::int64_t(text.size()), "," + text + "]"});
}

// The oldest pieces of the tail go, so that it keeps its measure; but never the newest, however large it is alone.
void shorten_tail(store::Transaction& tx, const JobId& id, std::int64_t keep) {
  std::int64_t kept = 0;
  for (const auto& row : tx.query("SELECT first_line, bytes FROM provisioner_job_logs WHERE job_id = $1 AND tail = 1 "
                                  "ORDER BY first_line DESC",
                                  {id.str()})) {
    const bool is_newest = kept == 0;
    kept += row.integer(1);
    if (kept <= keep || is_newest) continue;
    tx.execute("DELETE FROM provisioner_job_logs WHERE job_id = $1 AND tail = 1 AND first_line <= $2",
               {id.str(), row.integer(0)});
    return;
  }
}

void store_lines(store::Transaction& tx, const JobId& id, std::int64_t first, std::int64_t bytes_before,
                 const std::string& text, std::int64_t count, const LogLimits& limits) {
  const Piece piece{first, count, std::int64_t(text.size()), bytes_before >= limits.head};
  const auto last = last_piece(tx, id);
  const bool joins =
      last && last->is_tail == piece.is_tail && last->next() == first && last->bytes + piece.bytes <= kLogPieceBytes;
  if (joins) return extend_piece(tx, id, *last, count, text);
  insert_piece(tx, id, piece, text);
  if (piece.is_tail) shorten_tail(tx, id, limits.tail);
}

NumberedLine numbered(std::int64_t number, const LogLine& line) {
  return {number, line.source, line.level, line.stage, line.at, line.output, std::nullopt};
}

NumberedLine left_out(std::int64_t number, std::int64_t count) {
  return {.number = number,
          .source = LogSource::daemon,
          .output = std::to_string(count) + " lines were left out here",
          .left_out = count};
}

}  // namespace

const json::Rules& json_rules(const NumberedLine*) {
  static const json::Rules rules{
      {.member = "number", .description = "Its place in the job's log, over all attempts, from 0 on"},
      {.member = "left_out",
       .description = "Of a long log the middle is not kept: this line stands for so many, up to `number`"}};
  return rules;
}

std::int64_t append_log(store::Transaction& tx, Job& job, std::int64_t first, const std::vector<LogLine>& lines,
                        const LogLimits& limits) {
  if (first < 0) throw base::validation_error("firstLog", "must be at least 0");
  if (first > job.next_log)
    throw base::Error(base::ErrorClass::conflict, "LOG_GAP",
                      "line " + std::to_string(job.next_log) + " comes next, not " + std::to_string(first),
                      json::Object{{"nextLog", job.next_log}});
  const auto known = std::size_t(std::min<std::int64_t>(job.next_log - first, std::int64_t(lines.size())));
  if (known == lines.size()) return job.next_log;
  const auto text = elements(lines, known, lines.size());
  const auto count = std::int64_t(lines.size() - known);
  store_lines(tx, job.id, job.next_log, job.log_bytes, text, count, limits);
  job.next_log += count;
  job.log_bytes += std::int64_t(text.size());
  tx.execute("UPDATE provisioner_jobs SET next_log = $2, log_bytes = $3 WHERE id = $1",
             {job.id.str(), job.next_log, job.log_bytes});
  return job.next_log;
}

void append_own_line(store::Transaction& tx, Job& job, LogLevel level, std::string stage, std::string output,
                     Instant now) {
  append_log(tx, job, job.next_log,
             {{.source = LogSource::daemon,
               .level = level,
               .stage = std::move(stage),
               .at = now,
               .output = std::move(output)}});
}

std::vector<NumberedLine> read_log(store::Transaction& tx, const JobId& id, std::int64_t from, std::int64_t limit) {
  std::vector<NumberedLine> found;
  std::int64_t next = from;
  // A piece has at least one line: more pieces than lines are never needed.
  for (const auto& row : tx.query("SELECT first_line, line_count, lines FROM provisioner_job_logs WHERE job_id = $1 "
                                  "AND first_line + line_count > $2 ORDER BY first_line LIMIT $3",
                                  {id.str(), from, limit})) {
    const auto first = row.integer(0);
    if (first > next) found.push_back(left_out(first - 1, first - next));
    const auto lines = json::parse<std::vector<LogLine>>(row.text(2), json::Mode::lenient);
    for (std::size_t i = 0; i < lines.size() && std::int64_t(found.size()) < limit; ++i)
      if (first + std::int64_t(i) >= next) found.push_back(numbered(first + std::int64_t(i), lines[i]));
    if (std::int64_t(found.size()) >= limit) break;
    next = first + row.integer(1);
  }
  return found;
}

}  // namespace slipway::fleet
