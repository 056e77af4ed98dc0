#include "fleet/audit_chain.h"

#include <algorithm>
#include <boost/describe/enum_to_string.hpp>
#include <charconv>

#include "base/digest.h"
#include "fleet/sealer.h"

namespace slipway::fleet {
namespace {

constexpr std::string_view kEnding = "audit";
// The seal of a head that follows one whose seal did not fit: a break stays visible, whatever is written after it.
constexpr std::string_view kBrokenSeal = "broken";
constexpr std::string_view kHashMember = R"(,"hash":")";
constexpr std::size_t kHashLength = 64;
constexpr std::int64_t kOldAtOnce = 200;

// Exactly as it is in the table; details are JSON text.
struct Row {
  std::int64_t seq;
  std::int64_t at;
  std::string actor_id, action, resource_type, resource_id, outcome, request_id, remote, details, prev_hash, hash;
};

#define ROWS                                                                                             \
  "SELECT seq, at, actor_id, action, resource_type, resource_id, outcome, request_id, remote, details, " \
  "prev_hash, hash FROM audit_log "

Row to_row(const store::Row& row) {
  return {row.integer(0), row.integer(1), row.text(2), row.text(3), row.text(4),  row.text(5),
          row.text(6),    row.text(7),    row.text(8), row.text(9), row.text(10), row.text(11)};
}

std::string in_quotes(const std::string& text) { return json::print_value(json::Value(text)); }

std::string time_of(std::int64_t at) {
  constexpr std::int64_t kEndOfYear9999 = 253'402'300'800'000;
  // No hub writes such a time, but every time that somebody might put there has a text of its own.
  if (at < 0 || at >= kEndOfYear9999) return std::to_string(at);
  return base::format_rfc3339(base::from_unix_ms(at));
}

// docs/audit.md: the order, the spelling and every byte of it are what the hashes speak of.
std::string text_of(const Row& row) {
  return R"({"seq":)" + std::to_string(row.seq) + R"(,"at":)" + in_quotes(time_of(row.at)) + R"(,"actor_id":)" +
         in_quotes(row.actor_id) + R"(,"action":)" + in_quotes(row.action) + R"(,"resource_type":)" +
         in_quotes(row.resource_type) + R"(,"resource_id":)" + in_quotes(row.resource_id) + R"(,"outcome":)" +
         in_quotes(row.outcome) + R"(,"request_id":)" + in_quotes(row.request_id) + R"(,"remote":)" +
         in_quotes(row.remote) + R"(,"details":)" + row.details + R"(,"prev_hash":)" + in_quotes(row.prev_hash) + "}";
}

bool is_json(const std::string& text) {
  try {
    json::parse_value(text);
    return std::ranges::none_of(text, [](char c) { return static_cast<unsigned char>(c) < ' '; });
  } catch (const base::Error&) {
    return false;
  }
}

// A line stays one line of JSON, whatever somebody has put into the table; its hash tells that.
std::string line_of(Row row) {
  if (!is_json(row.details)) row.details = in_quotes(row.details);
  std::string line = text_of(row);
  line.pop_back();
  return line.append(kHashMember).append(row.hash).append("\"}\n");
}

AuditHead read_head(store::Transaction& tx) {
  const auto rows = tx.query("SELECT seq, hash, seal FROM audit_head WHERE id = 1");
  if (rows.empty()) return {.place = {}, .seal = std::string(kBrokenSeal)};
  return {{rows[0].integer(0), rows[0].text(1)}, rows[0].text(2)};
}

struct LockedHead {
  AuditHead head;
  bool is_end;  // no entry stands behind it
};

LockedHead lock_head(store::Transaction& tx) {
  constexpr std::string_view kRead =
      "SELECT h.seq, h.hash, h.seal, (SELECT COALESCE(MAX(seq), 0) FROM audit_log) FROM audit_head h WHERE h.id = 1";
  // The newest entry may be one of before the wait for the lock; it is never too new.
  constexpr std::string_view kLock =
      "SELECT h.seq, h.hash, h.seal, (SELECT COALESCE(MAX(seq), 0) FROM audit_log) FROM audit_head h WHERE h.id = 1 "
      "FOR UPDATE OF h";
  const auto rows = tx.query(tx.dialect() == store::Dialect::postgres ? kLock : kRead);
  if (rows.empty()) return {{.place = {}, .seal = std::string(kBrokenSeal)}, false};
  return {{{rows[0].integer(0), rows[0].text(1)}, rows[0].text(2)}, rows[0].integer(3) <= rows[0].integer(0)};
}

std::string seal_of(const base::Secret& key, const AuditPlace& place) {
  return base::base64url(base::hmac_sha256(key.reveal(), "slipway audit head " + place.str()));
}

// Whoever changed the head, what is written from now on joins the end of what is there.
AuditPlace end_of(store::Transaction& tx, const AuditPlace& head) {
  const auto rows = tx.query("SELECT seq, hash FROM audit_log ORDER BY seq DESC LIMIT 1");
  if (rows.empty() || rows[0].integer(0) <= head.seq) return head;
  return {rows[0].integer(0), rows[0].text(1)};
}

void add_row(std::vector<store::Parameter>& rows, const AuditEntry& entry, AuditPlace& place) {
  Row row{.seq = place.seq + 1,
          .at = base::to_unix_ms(entry.at),
          .actor_id = entry.actor_id,
          .action = entry.action,
          .resource_type = entry.resource_type,
          .resource_id = entry.resource_id,
          .outcome = boost::describe::enum_to_string(entry.outcome, ""),
          .request_id = entry.request_id,
          .remote = entry.remote,
          .details = json::print_value(entry.details),
          .prev_hash = place.hash,
          .hash = {}};
  row.hash = base::sha256_hex(text_of(row));
  place = {row.seq, row.hash};
  rows.insert(rows.end(), {row.seq, row.at, row.actor_id, row.action, row.resource_type, row.resource_id, row.outcome,
                           row.request_id, row.remote, row.details, row.prev_hash, row.hash});
}

AuditFault missing(std::int64_t from, std::int64_t to) {
  const bool is_one = from == to;
  return {from, is_one ? "entry " + std::to_string(from) + " is missing"
                       : "entries " + std::to_string(from) + " to " + std::to_string(to) + " are missing"};
}

std::optional<AuditFault> fault_at_end(const AuditPlace& reached, const AuditPlace& head) {
  if (reached.seq < head.seq) return missing(reached.seq + 1, head.seq);
  if (reached.seq > head.seq) return AuditFault{head.seq + 1, "it stands behind the head of the chain"};
  if (reached.hash != head.hash) return AuditFault{head.seq, "it is not the entry that the head names"};
  return std::nullopt;
}

}  // namespace

std::optional<AuditPlace> parse_audit_place(std::string_view text) {
  AuditPlace place;
  const auto colon = text.find(':');
  if (colon == std::string_view::npos) return std::nullopt;
  const auto [end, failure] = std::from_chars(text.data(), text.data() + colon, place.seq);
  place.hash = text.substr(colon + 1);
  const bool is_hex = place.hash.find_first_not_of("0123456789abcdef") == std::string::npos;
  if (failure != std::errc() || end != text.data() + colon || place.seq < 0 || !is_hex ||
      place.hash.size() != kHashLength)
    return std::nullopt;
  return place;
}

AuditPlace audit_place(store::Transaction& tx) { return read_head(tx).place; }

// ---- writing

AuditChain::AuditChain(const Sealer& sealer, std::function<void()> on_broken)
    : key_(sealer.derive("audit/head")), on_broken_(std::move(on_broken)) {}

bool AuditChain::seal_fits(const AuditHead& head) const {
  if (head.place == AuditPlace{} && head.seal.empty()) return true;  // nothing was written yet
  return base::equal_in_constant_time(head.seal, seal_of(key_, head.place));
}

store::Ending AuditChain::ending() const {
  return [chain = *this](store::Transaction& tx, std::span<const std::any> entries) {
    const auto [head, is_end] = lock_head(tx);
    const bool fits = is_end && chain.seal_fits(head);
    if (!fits && chain.on_broken_) chain.on_broken_();
    AuditPlace place = fits ? head.place : end_of(tx, head.place);
    std::vector<store::Parameter> rows;
    for (const auto& entry : entries) add_row(rows, std::any_cast<const AuditEntry&>(entry), place);
    tx.execute_many(
        "INSERT INTO audit_log (seq, at, actor_id, action, resource_type, resource_id, outcome, request_id, remote, "
        "details, prev_hash, hash) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)",
        12, rows);
    const std::string seal = fits ? seal_of(chain.key_, place) : std::string(kBrokenSeal);
    const std::vector<store::Parameter> moved{1, place.seq, place.hash, seal};
    tx.execute_many(
        "INSERT INTO audit_head (id, seq, hash, seal) VALUES ($1, $2, $3, $4) "
        "ON CONFLICT (id) DO UPDATE SET seq = excluded.seq, hash = excluded.hash, seal = excluded.seal",
        4, moved);
  };
}

void keep_audit(store::Database& database, const AuditChain& chain) {
  database.add_ending(std::string(kEnding), chain.ending());
}

void audit(store::Transaction& tx, AuditEntry entry) { tx.leave_to(kEnding, std::move(entry)); }

void chain_old_entries(store::Database& database) {
  for (bool more = true; more;)
    database.write_and_wait([&](store::Transaction& tx) {
      constexpr std::string_view kOldest =
          "SELECT seq, at, actor_id, action, resource_type, resource_id, request_id, remote, details FROM audit "
          "ORDER BY seq LIMIT $1";
      constexpr std::string_view kLocked =
          "SELECT seq, at, actor_id, action, resource_type, resource_id, request_id, remote, details FROM audit "
          "ORDER BY seq LIMIT $1 FOR UPDATE";
      const bool may_be_locked = tx.dialect() == store::Dialect::postgres;  // by another replica that starts
      std::vector<store::Parameter> taken;
      for (const auto& row : tx.query(may_be_locked ? kLocked : kOldest, {kOldAtOnce})) {
        taken.emplace_back(row.integer(0));
        audit(tx, {.at = row.instant(1),
                   .actor_id = row.text(2),
                   .action = row.text(3),
                   .resource_type = row.text(4),
                   .resource_id = row.text(5),
                   .request_id = row.text(6),
                   .remote = row.text(7),
                   .details = json::parse_value(row.text(8))});
      }
      if (!taken.empty()) tx.execute_many("DELETE FROM audit WHERE seq = $1", 1, taken);
      more = tx.query("SELECT COUNT(*) FROM audit").front().integer(0) > 0;
    });
}

// ---- looking it over

std::optional<AuditFault> AuditCheck::follow(std::int64_t seq, std::string_view prev_hash, std::string_view text,
                                             std::string_view hash) {
  if (seq > place_.seq + 1) return missing(place_.seq + 1, seq - 1);
  if (seq != place_.seq + 1) return AuditFault{place_.seq + 1, "entry " + std::to_string(seq) + " stands in its place"};
  if (base::sha256_hex(text) != hash) return AuditFault{seq, "it was changed: its hash does not fit"};
  if (prev_hash != place_.hash) return AuditFault{seq, "it does not follow the entry before it"};
  place_ = {seq, std::string(hash)};
  return std::nullopt;
}

std::optional<AuditFault> AuditCheck::follow_line(std::string_view line) {
  const AuditFault malformed{place_.seq + 1, "its line is none of an export"};
  const std::size_t tail = kHashMember.size() + kHashLength + 2;  // ,"hash":"…"}
  if (line.size() < tail || !line.ends_with("\"}") || !line.substr(line.size() - tail).starts_with(kHashMember))
    return malformed;
  const std::string text = std::string(line.substr(0, line.size() - tail)) + "}";
  const auto hash = line.substr(line.size() - kHashLength - 2, kHashLength);
  try {
    const json::Value entry = json::parse_value(text);
    return follow(entry.at("seq").as_int64(), entry.at("prev_hash").as_string(), text, hash);
  } catch (const std::exception&) {
    return malformed;
  }
}

AuditReport verify_audit(store::Transaction& tx, const AuditChain& chain, const AuditPlace& from, std::int64_t limit) {
  const AuditHead head = read_head(tx);
  AuditReport report{.reached = from, .head = head.place, .seal_fits = chain.seal_fits(head), .fault = {}};
  AuditCheck check(from);
  const auto rows = tx.query(ROWS "WHERE seq > $1 ORDER BY seq LIMIT $2", {from.seq, limit});
  for (const auto& stored : rows) {
    const Row row = to_row(stored);
    report.fault = check.follow(row.seq, row.prev_hash, text_of(row), row.hash);
    if (report.fault) break;
    ++report.checked;
  }
  report.reached = check.place();
  report.is_complete = !report.fault && std::int64_t(rows.size()) < limit;
  if (report.is_complete) report.fault = fault_at_end(report.reached, head.place);
  return report;
}

// ---- exporting

AuditRange audit_range(store::Transaction& tx, std::optional<base::Instant> since, std::optional<base::Instant> until) {
  AuditRange range{1, read_head(tx).place.seq};
  if (since)
    range.first = tx.query("SELECT COALESCE(MIN(seq), $2) FROM audit_log WHERE at >= $1", {*since, range.last + 1})
                      .front()
                      .integer(0);
  if (until)
    range.last = tx.query("SELECT COALESCE(MAX(seq), 0) FROM audit_log WHERE at < $1", {*until}).front().integer(0);
  return range;
}

std::string export_audit(store::Transaction& tx, AuditRange& range, std::int64_t limit) {
  std::string lines;
  std::int64_t next = range.last + 1;
  std::int64_t read = 0;
  for (const auto& row :
       tx.query(ROWS "WHERE seq >= $1 AND seq <= $2 ORDER BY seq LIMIT $3", {range.first, range.last, limit})) {
    lines += line_of(to_row(row));
    if (++read == limit) next = row.integer(0) + 1;
  }
  range.first = next;
  return lines;
}

}  // namespace slipway::fleet
