// Schedules, for admins: list, make, change, pause, start by hand.

#include "api/commit.h"
#include "api/conditional.h"
#include "api/cursor.h"
#include "api/launch.h"
#include "api/query.h"
#include "api/routes.h"
#include "api/run_view.h"
#include "api/schedule_view.h"
#include "durable/journal.h"
#include "durable/schedule_store.h"
#include "fleet/workspace.h"

namespace slipway::api {
namespace {

using base::ScheduleId;
using durable::OutcomeKind;
using durable::Overlap;
using durable::RunRecord;
using durable::Schedule;
using durable::ScheduleDefinition;
using Answer = net::Awaitable<std::optional<net::Response>>;
namespace schedules = durable::schedules;

constexpr std::int64_t kOutcomesShown = 20;
constexpr std::size_t kReasonMax = 500;    // characters
constexpr std::size_t kBackfillMax = 100;  // runs of one request: they share a transaction, and begin together

struct ListSchedules {
  std::int64_t limit = 50;
  std::optional<std::int64_t> page;
  std::optional<std::string> cursor;
  std::optional<std::string> name;
  std::optional<std::string> type;
};
SLIPWAY_JSON_CAMEL(ListSchedules, limit, page, cursor, name, type)
inline const json::Rules& json_rules(const ListSchedules*) {
  static const json::Rules rules{kLimitRule,
                                 kPageRule,
                                 kCursorRule,
                                 {.member = "name", .description = "Of exactly this name"},
                                 {.member = "type", .description = "Of this workflow"}};
  return rules;
}

struct PauseSchedule {
  std::optional<std::string> reason;
};
SLIPWAY_JSON_CAMEL(PauseSchedule, reason)
inline const json::Rules& json_rules(const PauseSchedule*) {
  static const json::Rules rules{{.member = "reason", .description = "For people", .max_length = kReasonMax}};
  return rules;
}

struct TriggerSchedule {
  std::optional<Overlap> overlap;
};
SLIPWAY_JSON_CAMEL(TriggerSchedule, overlap)
inline const json::Rules& json_rules(const TriggerSchedule*) {
  static const json::Rules rules{
      {.member = "overlap", .description = "allow: also while a run is at work; the schedule's own, if not given"}};
  return rules;
}

struct BackfillSchedule {
  base::Instant from, until;
};
SLIPWAY_JSON_CAMEL(BackfillSchedule, from, until)
inline const json::Rules& json_rules(const BackfillSchedule*) {
  static const json::Rules rules{{.member = "from", .description = "Included"},
                                 {.member = "until", .description = "Included; not in the future"}};
  return rules;
}

struct DeletedSchedule {
  ScheduleId id;
};
SLIPWAY_JSON_CAMEL(DeletedSchedule, id)

// For the document: launch.h makes it.
struct TriggeredSchedule {
  ScheduleView schedule;
  RunView run;
  std::string status_url;
  std::optional<base::Duration> estimated_duration_ms;
};
SLIPWAY_JSON_CAMEL(TriggeredSchedule, schedule, run, status_url, estimated_duration_ms)

struct BackfilledSchedule {
  ScheduleView schedule;
  std::vector<base::RunId> runs;
};
SLIPWAY_JSON_CAMEL(BackfilledSchedule, schedule, runs)
inline const json::Rules& json_rules(const BackfilledSchedule*) {
  static const json::Rules rules{{.member = "runs", .description = "Those that were started"}};
  return rules;
}

// By id or name: a name has no '_'.
Schedule get(store::Transaction& tx, const std::string& name_or_id) {
  auto schedule = base::is_prefixed_id(name_or_id, base::ScheduleKind::prefix)
                      ? schedules::find(tx, ScheduleId(name_or_id))
                      : schedules::find_by_name(tx, name_or_id);
  if (!schedule) throw base::not_found("schedule", name_or_id);
  return *std::move(schedule);
}

const std::string& named(const Call& call) { return call.parameters.at(0); }

std::string etag(const Schedule& schedule) {
  return "\"" + std::to_string(schedule.version) + "-" + std::to_string(schedule.turn) + "\"";
}

void check_definition(const Call& call, const ScheduleDefinition& definition) {
  fleet::validate_name("name", definition.name);
  durable::validate(definition);
  const auto* workflow = call.hub.engine.find_workflow(definition.type);
  if (workflow == nullptr || !workflow->schedulable) {
    json::Array allowed;
    for (const auto& [type, known] : call.hub.engine.workflows())
      if (known.schedulable) allowed.emplace_back(type);
    throw base::validation_error("type", "'" + definition.type + "' is no workflow that can be scheduled",
                                 std::move(allowed));
  }
  if (workflow->check_input) workflow->check_input(definition.input);
}

void refuse_declared(const Call& call, const Schedule& schedule, std::string_view what) {
  if (call.hub.scheduler.is_declared(schedule.definition.name))
    throw base::invalid_state("the schedule belongs to the hub itself, which would " + std::string(what) +
                              " again at its next start; pause it instead");
}

ScheduleView view(store::Transaction& tx, const Schedule& schedule) {
  return view_schedule(schedule, schedules::outcomes(tx, schedule.id, kOutcomesShown));
}

json::Value shown(store::Transaction& tx, const Schedule& schedule) { return json::to_value(view(tx, schedule)); }

Deed deed(const Call& call, int status, std::string action, const Schedule& schedule, const json::Value& data,
          json::Value details = json::Object{}) {
  Deed done{.answer = call.success(status, data),
            .action = std::move(action),
            .resource_type = "schedule",
            .resource_id = schedule.id.str(),
            .details = std::move(details)};
  if (status != 202) done.answer.headers.set("ETag", etag(schedule));
  return done;
}

// ---- reading

Answer list_all(Call& call) {
  const auto query = parse_query<ListSchedules>(call);
  const auto paging = paging_of(query);
  const schedules::Filter filter{.name = query.name,
                                 .type = query.type,
                                 .after = read_cursor(call, paging.cursor),
                                 .offset = paging.offset(),
                                 .limit = paging.limit + 1};
  std::vector<Schedule> found;
  Page page{.page = paging.page, .page_size = paging.limit};
  co_await read(call.hub, [&](store::Transaction& tx) {
    found = schedules::list(tx, filter);
    page.total = schedules::count(tx, filter);
  });
  page.has_more = std::int64_t(found.size()) > paging.limit;
  if (page.has_more) {
    found.pop_back();
    page.next_cursor = make_cursor(call, found.back().definition.name);
  }
  json::Array items;
  for (const auto& schedule : found) items.push_back(json::to_value(view_schedule(schedule)));
  co_return list(call.meta(), std::move(items), page);
}

Answer show(Call& call) {
  parse_query<NoQuery>(call);
  json::Value data;
  std::string tag;
  co_await read(call.hub, [&](store::Transaction& tx) {
    const auto schedule = get(tx, named(call));
    data = shown(tx, schedule);
    tag = etag(schedule);
  });
  co_return if_changed(call, tag, call.success(200, data));
}

// ---- making and changing

Answer create(Call& call) {
  parse_query<NoQuery>(call);
  Schedule schedule{.id = call.hub.ids.make<ScheduleId>(), .definition = merge_definition({}, body_value(call))};
  check_definition(call, schedule.definition);
  schedule.owner_id = call.caller->user.str();
  schedule.created_at = schedule.updated_at = call.hub.clock.now();
  durable::arm(schedule, durable::calendar_of(schedule.definition), call.hub.clock.now());
  if (!schedule.next_at) throw base::validation_error("cron", "no time comes within startsAt and endsAt");
  auto committed = co_await commit(call, [&](store::Transaction& tx) {
    schedules::insert(tx, schedule);
    auto done = deed(call, 201, "schedule.create", schedule, shown(tx, schedule),
                     json::Object{{"name", schedule.definition.name}, {"type", schedule.definition.type}});
    done.answer.headers.set("Location", "/v1/schedules/" + schedule.id.str());
    return done;
  });
  call.hub.scheduler.look();
  co_return std::move(committed.answer);
}

// Stores what `edit` makes of the schedule, and answers with that.
template <class Edit>
Answer change(Call& call, std::string_view action, json::Value details, Edit edit) {
  auto committed = co_await commit(call, [&](store::Transaction& tx) {
    const auto changed = schedules::change(tx, get(tx, named(call)).id, [&](Schedule& schedule) {
      check_if_match(call, "schedule", schedule.version, etag(schedule));
      edit(schedule);
    });
    return deed(call, 200, std::string(action), changed, shown(tx, changed), details);
  });
  call.hub.scheduler.look();
  co_return std::move(committed.answer);
}

Answer patch(Call& call) {
  parse_query<NoQuery>(call);
  const auto now = call.hub.clock.now();
  const auto body = body_value(call);
  json::Array names;  // not the values, which may be secrets of the workflow's
  if (const auto* members = body.if_object())
    for (const auto& [name, value] : *members) names.emplace_back(name);
  co_return co_await change(call, "schedule.change", json::Object{{"changed", names}}, [&](Schedule& schedule) {
    refuse_declared(call, schedule, "change it");
    auto definition = merge_definition(schedule.definition, body);
    check_definition(call, definition);
    durable::redefine(schedule, std::move(definition), now);
  });
}

Answer pause(Call& call) {
  parse_query<NoQuery>(call);
  const auto reason = parse_body<PauseSchedule>(call).reason.value_or("");
  const auto now = call.hub.clock.now();
  const auto by = call.caller->user.str();
  co_return co_await change(call, "schedule.pause", json::Object{{"reason", reason}}, [&](Schedule& schedule) {
    if (schedule.pause) throw base::invalid_state("the schedule is paused");
    if (schedule.ended_at) throw base::invalid_state("the schedule has ended");
    durable::pause(schedule, {now, by, reason});
    ++schedule.version;
    schedule.updated_at = now;
  });
}

Answer resume(Call& call) {
  parse_query<NoQuery>(call);
  parse_body<NoBody>(call);
  const auto now = call.hub.clock.now();
  co_return co_await change(call, "schedule.resume", json::Object{}, [&](Schedule& schedule) {
    if (!schedule.pause) throw base::invalid_state("the schedule is not paused");
    durable::resume(schedule, durable::calendar_of(schedule.definition), now);
    ++schedule.version;
    schedule.updated_at = now;
  });
}

Answer remove(Call& call) {
  parse_query<NoQuery>(call);
  auto committed = co_await commit(call, [&](store::Transaction& tx) {
    const auto schedule = get(tx, named(call));
    check_if_match(call, "schedule", schedule.version, etag(schedule));
    refuse_declared(call, schedule, "make it");
    schedules::remove(tx, schedule.id);
    return deed(call, 200, "schedule.delete", schedule, json::to_value(DeletedSchedule{schedule.id}),
                json::Object{{"name", schedule.definition.name}});
  });
  co_return std::move(committed.answer);
}

// ---- starting by hand

Schedule get_startable(store::Transaction& tx, const Call& call) {
  auto schedule = get(tx, named(call));
  if (!schedule.unreadable.empty()) throw base::invalid_state(schedule.unreadable);
  if (call.hub.engine.find_workflow(schedule.definition.type) == nullptr)
    throw base::invalid_state("this hub knows no workflow '" + schedule.definition.type + "'");
  return schedule;
}

// Read before the commit, because its runs are made on the loop. Gives an answer if the request was answered before.
Answer find_startable(Call& call, Schedule& schedule) {
  return look_unless_answered(call, [&](store::Transaction& tx) { schedule = get_startable(tx, call); });
}

// Also refused: what was read before the commit is another schedule by now.
Schedule get_unchanged(store::Transaction& tx, const Schedule& seen) {
  auto schedule = get(tx, seen.id.str());
  if (schedule.version != seen.version)
    throw base::Error(base::ErrorClass::conflict, "CONFLICT", "the schedule was changed in this moment; ask again");
  return schedule;
}

Answer trigger(Call& call) {
  parse_query<NoQuery>(call);
  const auto overlap = parse_body<TriggerSchedule>(call).overlap;
  Schedule seen;
  if (auto earlier = co_await find_startable(call, seen)) co_return std::move(*earlier);
  RunRecord run = call.hub.scheduler.make_run(seen);
  auto committed = co_await commit(call, [&](store::Transaction& tx) {
    const auto schedule = get_unchanged(tx, seen);
    if (overlap.value_or(schedule.definition.overlap) != Overlap::allow)
      for (const auto& other : durable::journal::unfinished_on(tx, schedule.id.str()))
        throw base::invalid_state(
            "run " + other.record.id.str() +
            " of this schedule is at work; wait for it, cancel it, or ask with \"overlap\": \"allow\"");
    schedules::start_by_hand(tx, schedule.id, run, OutcomeKind::triggered, std::nullopt);
    const auto usual = durable::journal::usual_duration(tx, run.type);
    return Deed{.answer = accepted(call, run, "schedule", shown(tx, get(tx, schedule.id.str())), usual),
                .action = "schedule.trigger",
                .resource_type = "schedule",
                .resource_id = schedule.id.str(),
                .details = json::Object{{"run", run.id.str()}}};
  });
  if (committed.replayed) co_return std::move(committed.answer);
  co_return co_await launch(call, run, std::move(committed.answer));
}

// Runs for the times of a past range, except those that had one: all at once, whatever the overlap.
Answer backfill(Call& call) {
  parse_query<NoQuery>(call);
  const auto range = parse_body<BackfillSchedule>(call);
  if (range.until > call.hub.clock.now()) throw base::validation_error("until", "lies in the future");
  if (range.until < range.from) throw base::validation_error("until", "is before from");
  Schedule seen;
  if (auto earlier = co_await find_startable(call, seen)) co_return std::move(*earlier);
  const auto times =
      durable::times_within(durable::calendar_of(seen.definition), range.from, range.until, kBackfillMax);
  std::vector<RunRecord> made, started;
  for (std::size_t i = 0; i < times.size(); ++i) made.push_back(call.hub.scheduler.make_run(seen));
  auto committed = co_await commit(call, [&](store::Transaction& tx) {
    const auto schedule = get_unchanged(tx, seen);
    started.clear();
    std::vector<base::RunId> runs;
    for (std::size_t i = 0; i < times.size(); ++i) {
      if (schedules::was_started(tx, schedule.id, times[i])) continue;
      if (schedule.next_at && times[i] >= *schedule.next_at) continue;  // it comes by itself
      schedules::start_by_hand(tx, schedule.id, made[i], OutcomeKind::backfilled, times[i]);
      runs.push_back(made[i].id);
      started.push_back(made[i]);
    }
    const BackfilledSchedule data{view(tx, get(tx, schedule.id.str())), std::move(runs)};
    auto done =
        deed(call, 202, "schedule.backfill", schedule, json::to_value(data), json::Object{{"runs", data.runs.size()}});
    done.answer.headers.set("Location", "/v1/workflows/runs?resourceType=schedule&resourceId=" + schedule.id.str());
    done.answer.headers.set("Retry-After", "1");
    return done;
  });
  if (!committed.replayed)
    for (auto& run : started) call.hub.engine.launch(std::move(run));
  co_return std::move(committed.answer);
}

}  // namespace

void add_schedule_routes(Router& router) {
  const std::string base = "/v1/schedules";
  router.add(net::Method::get, base, Permission::admin, list_all,
             {.id = "listSchedules",
              .tag = "Schedules",
              .summary = "All schedules, by name",
              .query = query_of<ListSchedules>(),
              .answer = page_of<ScheduleView>()});
  router.add(net::Method::post, base, Permission::admin, create,
             {.id = "createSchedule",
              .tag = "Schedules",
              .summary = "Makes a schedule",
              .body = body_of<CreateSchedule>(),
              .answer = one<ScheduleView>(201),
              .etag = true});
  router.add(net::Method::get, base + "/:id", Permission::admin, show,
             {.id = "getSchedule",
              .tag = "Schedules",
              .summary = "One schedule, with its next five times and what came of the last twenty",
              .answer = one<ScheduleView>(),
              .etag = true});
  router.add(
      net::Method::patch, base + "/:id", Permission::admin, patch,
      {.id = "changeSchedule",
       .tag = "Schedules",
       .summary = "Changes what the body names",
       .description = "RFC 7396: null takes an optional field away. What the hub declares itself is not changed.",
       .body = body_of<ChangeSchedule>(),
       .answer = one<ScheduleView>(),
       .etag = true,
       .if_match = true});
  router.add(net::Method::del, base + "/:id", Permission::admin, remove,
             {.id = "deleteSchedule",
              .tag = "Schedules",
              .summary = "Takes a schedule away; its runs stay",
              .answer = one<DeletedSchedule>(),
              .if_match = true});
  router.add(net::Method::post, base + "/:id/pause", Permission::admin, pause,
             {.id = "pauseSchedule",
              .tag = "Schedules",
              .summary = "Nothing comes, and nothing is missed, until it is resumed",
              .body = optional_body_of<PauseSchedule>(),
              .answer = one<ScheduleView>(),
              .etag = true,
              .if_match = true});
  router.add(net::Method::post, base + "/:id/resume", Permission::admin, resume,
             {.id = "resumeSchedule",
              .tag = "Schedules",
              .summary = "Goes on with the next time from now",
              .body = optional_body_of<NoBody>(),
              .answer = one<ScheduleView>(),
              .etag = true,
              .if_match = true});
  router.add(net::Method::post, base + "/:id/trigger", Permission::admin, trigger,
             {.id = "triggerSchedule",
              .tag = "Schedules",
              .summary = "Starts a run now, also of a paused schedule",
              .body = optional_body_of<TriggerSchedule>(),
              .answer = one<TriggeredSchedule>(202),
              .prefer_wait = true});
  router.add(net::Method::post, base + "/:id/backfill", Permission::admin, backfill,
             {.id = "backfillSchedule",
              .tag = "Schedules",
              .summary = "Starts runs for the past times of a range that had none, at most 100, all at once",
              .body = body_of<BackfillSchedule>(),
              .answer = one<BackfilledSchedule>(202)});
}

}  // namespace slipway::api
