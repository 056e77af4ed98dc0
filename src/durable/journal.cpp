#include "durable/journal.h"

#include <array>
#include <unordered_map>

#include "base/enum_name.h"
#include "durable/membership.h"
#include "durable/queue_admission.h"
#include "durable/run_rows.h"
#include "durable/start_keys.h"
#include "durable/step_timings.h"
#include "durable/witness.h"

namespace slipway::durable::journal {
namespace {

using base::name_of;

template <class Enum>
Enum value_of(const std::string& name) {
  Enum value{};
  if (!boost::describe::enum_from_string(name.c_str(), value))
    throw base::internal_error("journal: '" + name + "' was written by a newer version");
  return value;
}

constexpr std::string_view kInsertEvent =
    "INSERT INTO run_events (run_id, seq, type, at, step, data) VALUES ($1, $2, $3, $4, $5, $6)";
constexpr std::size_t kEventColumns = 6;

#define COLUMNS                                                                                                      \
  "id, type, status, resource_type, resource_id, triggered_by, input, output, error_code, error_message, "           \
  "error_step, needs_attention, parked_reason, started_at, completed_at, wake_at, owner_id, replica_id, parent_id, " \
  "queue, retry_of, trace "
#define RUN_COLUMNS "SELECT " COLUMNS "FROM runs "

Row to_row(const store::Row& row) {
  Row run;
  run.record = {.id = RunId(row.text(0)),
                .type = row.text(1),
                .resource_type = row.text(3),
                .resource_id = row.text(4),
                .triggered_by = row.text(5),
                .owner_id = row.text(16),
                .input = json::parse_value(row.text(6)),
                .started_at = row.instant(13),
                .replica = base::ReplicaId(row.text_or_null(17).value_or("")),
                .parent_id = row.text_or_null(18).value_or(""),
                .trace = row.text_or_null(21).value_or(""),
                .queue = row.text_or_null(19).value_or(""),
                .retry_of = row.text_or_null(20).value_or("")};
  run.status = value_of<RunStatus>(row.text(2));
  if (const auto output = row.text_or_null(7)) run.output = json::parse_value(*output);
  if (const auto code = row.text_or_null(8))
    run.failure = Failure{.code = *code, .message = row.text_or_null(9).value_or("")};
  run.failed_step = row.text_or_null(10).value_or("");
  run.needs_attention = row.integer(11) != 0;
  run.parked_reason = row.text_or_null(12);
  run.completed_at = row.instant_or_null(14);
  run.wake_at = row.instant_or_null(15);
  return run;
}

// In the place of data that stands in run_payloads.
constexpr std::string_view kBeside = R"({"$beside":true})";

Event to_event(store::Transaction& tx, const std::string& run, const store::Row& row, std::size_t first,
               const Sealer* sealer) {
  std::string data = row.text(first + 4);
  if (data == kBeside)
    data = tx.query("SELECT data FROM run_payloads WHERE run_id = $1 AND seq = $2", {run, row.integer(first)})
               .at(0)
               .text(0);
  return {.seq = row.integer(first),
          .type = value_of<EventType>(row.text(first + 1)),
          .at = row.instant(first + 2),
          .step = row.text(first + 3),
          .data = payload::from_stored(data, sealer)};
}

json::Array to_array(const std::vector<RunId>& runs) {
  json::Array ids;
  for (const auto& run : runs) ids.emplace_back(run.str());
  return ids;
}

}  // namespace

const std::string_view kSelectRuns = RUN_COLUMNS;

std::vector<Row> to_rows(const store::Rows& rows) {
  std::vector<Row> runs;
  runs.reserve(rows.size());
  for (const auto& row : rows) runs.push_back(to_row(row));
  return runs;
}

RunId insert_run(store::Transaction& tx, const RunRecord& record) {
  hold_lease(tx, record.replica);
  const bool waits = record.ticket != nullptr;
  std::string queue;
  if (waits) {
    if (auto same = queues::take_key(tx, record)) return *std::move(same);
    queue = queues::open_for(tx, *record.ticket);
  }
  using store::Parameter;
  const std::string input = json::print_value(record.input);
  const auto or_null = [](const std::string& text) {
    return text.empty() ? Parameter(std::nullopt) : Parameter::view(text);
  };
  const std::array parameters{
      Parameter::view(record.id.str()),
      Parameter::view(record.type),
      Parameter::view(waits ? "pending" : "running"),
      Parameter::view(record.resource_type),
      Parameter::view(record.resource_id),
      Parameter::view(record.triggered_by),
      Parameter::view(record.owner_id),
      Parameter::view(input),
      Parameter(record.started_at),
      waits ? Parameter(std::nullopt) : Parameter::view(record.replica.str()),
      or_null(record.parent_id),
      or_null(queue),
      or_null(record.retry_of),
      or_null(record.trace),
  };
  tx.execute_many(
      "INSERT INTO runs (id, type, status, resource_type, resource_id, triggered_by, owner_id, input, started_at, "
      "replica_id, parent_id, queue, retry_of, trace) "
      "VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)",
      parameters.size(), parameters);
  const auto first = first_events(record, queue);
  std::vector<Appended> events;
  for (const auto& event : first) events.push_back({&record.id, &event});
  append(tx, events);
  if (waits) queues::enter(tx, record, queue);
  if (record.witness != nullptr) {
    const Transition start{.kind = waits ? TransitionKind::run_pending : TransitionKind::run_started,
                           .run = &record,
                           .at = record.started_at};
    record.witness->tell(tx, {&start, 1});
  }
  return record.id;
}

Event started_event(const RunRecord& record, const std::string& queue) {
  Event event{.seq = 1, .type = EventType::run_started, .at = record.started_at, .step = {}, .data = {}};
  if (!queue.empty()) event.data["queue"] = queue;
  if (!record.retry_of.empty()) event.data["retryOf"] = record.retry_of;
  if (record.inherited != nullptr && !record.inherited->from_step.empty())
    event.data["fromStep"] = record.inherited->from_step;
  return event;
}

std::vector<Event> first_events(const RunRecord& record, const std::string& queue) {
  std::vector<Event> events{started_event(record, queue)};
  if (record.inherited != nullptr)
    events.insert(events.end(), record.inherited->events.begin(), record.inherited->events.end());
  return events;
}

void append(store::Transaction& tx, const std::vector<Appended>& events, const Sealer* sealer) {
  using store::Parameter;
  std::vector<Parameter> parameters;
  parameters.reserve(events.size() * kEventColumns);
  for (const auto& [run, event] : events) {
    parameters.push_back(Parameter::view(run->str()));
    parameters.emplace_back(event->seq);
    parameters.push_back(Parameter::view(boost::describe::enum_to_string(event->type, "")));
    parameters.emplace_back(event->at);
    parameters.push_back(Parameter::view(event->step));
    auto data = payload::to_stored(event->data, sealer);
    if (data.size() > payload::kBesideAbove) {
      tx.execute("INSERT INTO run_payloads (run_id, seq, data) VALUES ($1, $2, $3)", {run->str(), event->seq, data});
      data = kBeside;
    }
    parameters.emplace_back(std::move(data));
  }
  tx.execute_many(kInsertEvent, kEventColumns, parameters);
}

void set_ended(store::Transaction& tx, const RunId& run, const RunState& state) {
  std::optional<std::string> code, message, step;
  if (state.failure) {
    code = state.failure->code;
    message = state.failure->message;
    step = state.failed_step;
  }
  std::optional<std::string> output;
  if (!state.output.is_null()) output = json::print_value(state.output);
  tx.execute(
      "UPDATE runs SET status = $2, output = $3, error_code = $4, error_message = $5, error_step = $6, "
      "needs_attention = $7, completed_at = $8, wake_at = NULL, parked_reason = NULL, replica_id = NULL WHERE id = $1",
      {run.str(), name_of(state.status), output, code, message, step, state.needs_attention, *state.ended_at});
}

void release(store::Transaction& tx, const RunId& run, Instant wake_at) {
  tx.execute("UPDATE runs SET wake_at = $2, replica_id = NULL WHERE id = $1", {run.str(), wake_at});
}

void park(store::Transaction& tx, const RunId& run, const std::string& reason) {
  tx.execute("UPDATE runs SET parked_reason = $2, wake_at = NULL, replica_id = NULL WHERE id = $1",
             {run.str(), reason});
}

// ---- claims

// Takers of one page each do not wait for each other; the embedded database has but one.
#define CLAIM(condition, order, lock)                                                                       \
  "UPDATE runs SET replica_id = $1, wake_at = NULL, parked_reason = NULL WHERE id IN (SELECT id FROM runs " \
  "WHERE " condition " AND completed_at IS NULL ORDER BY " order " LIMIT $3" lock ") RETURNING " COLUMNS
#define CLAIM_BOTH(condition, order)                                                                              \
  tx.dialect() == store::Dialect::postgres ? std::string_view(CLAIM(condition, order, " FOR UPDATE SKIP LOCKED")) \
                                           : std::string_view(CLAIM(condition, order, ""))

std::vector<Row> claim_of(store::Transaction& tx, const ReplicaId& taker, const ReplicaId& departed,
                          std::int64_t limit) {
  return to_rows(tx.query(CLAIM_BOTH("replica_id = $2", "id"), {taker.str(), departed.str(), limit}));
}

bool any_due(store::Transaction& tx, Instant until) {
  return !tx.query("SELECT 1 FROM runs WHERE completed_at IS NULL AND replica_id IS NULL AND wake_at <= $1 LIMIT 1",
                   {until})
              .empty();
}

std::vector<Row> claim_due(store::Transaction& tx, const ReplicaId& taker, Instant until, std::int64_t limit) {
  return to_rows(tx.query(CLAIM_BOTH("replica_id IS NULL AND wake_at <= $2", "wake_at"), {taker.str(), until, limit}));
}

std::optional<Row> claim_sleeping(store::Transaction& tx, const ReplicaId& taker, const RunId& run) {
  auto rows = to_rows(
      tx.query(CLAIM_BOTH("id = $2 AND replica_id IS NULL AND parked_reason IS NULL AND status <> 'pending'", "id"),
               {taker.str(), run.str(), 1}));
  if (rows.empty()) return std::nullopt;
  return std::move(rows.front());
}

std::vector<Row> claim_parked(store::Transaction& tx, const ReplicaId& taker, const RunId& after, std::int64_t limit) {
#define PARKED                                                                                     \
  "SELECT id, parked_reason FROM runs WHERE replica_id IS NULL AND parked_reason IS NOT NULL AND " \
  "completed_at IS NULL AND id > $1 ORDER BY id LIMIT $2"
#define CLAIM_THESE(ids) \
  "UPDATE runs SET replica_id = $1, wake_at = NULL, parked_reason = NULL WHERE id IN (" ids ") RETURNING " COLUMNS
  const bool is_shared = tx.dialect() == store::Dialect::postgres;
  std::unordered_map<RunId, std::string> reasons;
  std::vector<RunId> ids;
  for (const auto& row :
       tx.query(is_shared ? std::string_view(PARKED " FOR UPDATE SKIP LOCKED") : PARKED, {after.str(), limit})) {
    ids.emplace_back(row.text(0));
    reasons[ids.back()] = row.text(1);
  }
  if (ids.empty()) return {};
  constexpr std::string_view kPostgres = CLAIM_THESE("SELECT value FROM json_array_elements_text(CAST($2 AS json))");
  constexpr std::string_view kSqlite = CLAIM_THESE("SELECT value FROM json_each($2)");
  auto rows = to_rows(tx.query(is_shared ? kPostgres : kSqlite, {taker.str(), json::print_value(to_array(ids))}));
  for (auto& row : rows) row.parked_reason = reasons.at(row.record.id);
  return rows;
}

std::vector<Row> claim_pending(store::Transaction& tx, const ReplicaId& taker, const std::vector<RunId>& runs) {
  constexpr std::string_view kSqlite =
      "UPDATE runs SET status = 'running', replica_id = $1 WHERE id IN (SELECT value FROM json_each($2)) "
      "AND status = 'pending' AND completed_at IS NULL RETURNING " COLUMNS;
  constexpr std::string_view kPostgres =
      "UPDATE runs SET status = 'running', replica_id = $1 WHERE id IN "
      "(SELECT value FROM json_array_elements_text(CAST($2 AS json))) "
      "AND status = 'pending' AND completed_at IS NULL RETURNING " COLUMNS;
  if (runs.empty()) return {};
  return to_rows(tx.query(tx.dialect() == store::Dialect::postgres ? kPostgres : kSqlite,
                          {taker.str(), json::print_value(to_array(runs))}));
}

void forget_departed(store::Transaction& tx, const ReplicaId& departed) {
  tx.execute(
      "DELETE FROM departed_replicas WHERE id = $1 AND NOT EXISTS "
      "(SELECT 1 FROM runs WHERE replica_id = $1 AND completed_at IS NULL)",
      {departed.str()});
}

// Of the pending ones the queues' own sweep knows (queue_admission.h).
#define UNWAKEABLE                                                                                 \
  "completed_at IS NULL AND replica_id IS NULL AND wake_at IS NULL AND parked_reason IS NULL AND " \
  "status <> 'pending'"
#define OWNERLESS                                                                                   \
  "SELECT DISTINCT replica_id FROM runs WHERE completed_at IS NULL AND replica_id IS NOT NULL AND " \
  "replica_id NOT IN (SELECT id FROM replicas UNION SELECT id FROM departed_replicas)"

Examination examine(store::Transaction& tx, const ReplicaId& self) {
  Examination found;
  const auto number = [&](std::string_view sql) { return tx.query(sql).front().integer(0); };
  found.sleeping =
      number("SELECT COUNT(*) FROM runs WHERE completed_at IS NULL AND replica_id IS NULL AND wake_at IS NOT NULL");
  found.parked = number(
      "SELECT COUNT(*) FROM runs WHERE completed_at IS NULL AND replica_id IS NULL AND parked_reason IS NOT NULL");
  found.unwakeable = number("SELECT COUNT(*) FROM runs WHERE " UNWAKEABLE);
  for (const auto& row : tx.query(OWNERLESS)) found.ownerless.emplace_back(row.text(0));
  for (const auto& row : tx.query("SELECT id FROM runs WHERE completed_at IS NULL AND replica_id = $1", {self.str()}))
    found.owned.emplace_back(row.text(0));
  return found;
}

std::int64_t repair(store::Transaction& tx, Instant now) {
  auto repaired = tx.execute("UPDATE runs SET wake_at = $1 WHERE " UNWAKEABLE, {now});
  std::vector<std::string> ownerless;
  for (const auto& row : tx.query(OWNERLESS)) ownerless.push_back(row.text(0));
  for (const auto& replica : ownerless)
    repaired += tx.execute(
        "INSERT INTO departed_replicas (id, departed_at) VALUES ($1, $2) ON CONFLICT (id) DO NOTHING", {replica, now});
  return repaired;
}

std::optional<Row> find(store::Transaction& tx, const RunId& run) {
  const auto rows = tx.query(RUN_COLUMNS "WHERE id = $1", {run.str()});
  if (rows.empty()) return std::nullopt;
  return to_row(rows.front());
}

std::optional<Row> find_for_update(store::Transaction& tx, const RunId& run) {
  const auto sql = tx.dialect() == store::Dialect::postgres ? std::string_view(RUN_COLUMNS "WHERE id = $1 FOR UPDATE")
                                                            : std::string_view(RUN_COLUMNS "WHERE id = $1");
  const auto rows = tx.query(sql, {run.str()});
  if (rows.empty()) return std::nullopt;
  return to_row(rows.front());
}

// Of those types; null, which all events fit, when there are none.
#define OF_TYPES(elements) "AND (type IN (SELECT value FROM " elements ") OR $2 IS NULL) "
#define OF_TYPES_BOTH(before, after)                                                          \
  tx.dialect() == store::Dialect::postgres                                                    \
      ? std::string_view(before OF_TYPES("json_array_elements_text(CAST($2 AS json))") after) \
      : std::string_view(before OF_TYPES("json_each($2)") after)

store::Parameter to_parameter(const std::vector<EventType>& types) {
  if (types.empty()) return std::nullopt;
  json::Array names;
  for (const auto type : types) names.emplace_back(std::string_view(name_of(type)));
  return json::print_value(names);
}

std::vector<Event> events(store::Transaction& tx, const RunId& run, std::int64_t after, std::int64_t limit,
                          const std::vector<EventType>& types) {
  std::vector<Event> events;
  const auto rows = types.empty()
                        ? tx.query(
                              "SELECT seq, type, at, step, data FROM run_events WHERE run_id = $1 AND seq > $2 "
                              "ORDER BY seq LIMIT $3",
                              {run.str(), after, limit})
                        : tx.query(OF_TYPES_BOTH("SELECT seq, type, at, step, data FROM run_events WHERE run_id = $1 ",
                                                 "AND seq > $3 ORDER BY seq LIMIT $4"),
                                   {run.str(), to_parameter(types), after, limit});
  for (const auto& row : rows) events.push_back(to_event(tx, run.str(), row, 0, nullptr));
  return events;
}

std::unordered_map<RunId, Recorded> events_of(store::Transaction& tx, const std::vector<RunId>& runs,
                                              const Sealer* sealer) {
#define FROM_ITS_LAST_BEGINNING                                                                                    \
  "JOIN run_events e ON e.run_id = wanted.value AND e.seq >= COALESCE((SELECT MAX(c.seq) FROM run_events c WHERE " \
  "c.run_id = wanted.value AND c.type = 'run_continued'), 0) ORDER BY e.run_id, e.seq"
  constexpr std::string_view kSqlite =
      "SELECT e.run_id, e.seq, e.type, e.at, e.step, e.data FROM json_each($1) AS wanted " FROM_ITS_LAST_BEGINNING;
  constexpr std::string_view kPostgres =
      "SELECT e.run_id, e.seq, e.type, e.at, e.step, e.data FROM json_array_elements_text(CAST($1 AS json)) AS "
      "wanted(value) " FROM_ITS_LAST_BEGINNING;
#undef FROM_ITS_LAST_BEGINNING
  std::unordered_map<RunId, Recorded> found;
  for (const auto& row :
       tx.query(tx.dialect() == store::Dialect::postgres ? kPostgres : kSqlite, {json::print_value(to_array(runs))})) {
    Recorded& recorded = found[RunId(row.text(0))];
    try {
      recorded.events.push_back(to_event(tx, row.text(0), row, 1, sealer));
    } catch (const base::Error& error) {
      recorded.unreadable = error.message();
    }
  }
  return found;
}

std::int64_t last_seq(store::Transaction& tx, const RunId& run) {
  return tx.query("SELECT COALESCE(MAX(seq), 0) FROM run_events WHERE run_id = $1", {run.str()}).front().integer(0);
}

std::vector<Row> unfinished_on(store::Transaction& tx, const std::string& resource_id) {
  return to_rows(tx.query(RUN_COLUMNS "WHERE resource_id = $1 AND completed_at IS NULL ORDER BY id", {resource_id}));
}

std::int64_t count_events(store::Transaction& tx, const RunId& run, const std::vector<EventType>& types) {
  return tx
      .query(OF_TYPES_BOTH("SELECT COUNT(*) FROM run_events WHERE run_id = $1 ", ""), {run.str(), to_parameter(types)})
      .front()
      .integer(0);
}

std::optional<Duration> usual_duration(store::Transaction& tx, const std::string& type) {
  return durable::usual_duration(timings_of(tx, type));
}

}  // namespace slipway::durable::journal
