#pragma once
// The SQL of schedules and their outcomes, and nothing else.

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "durable/execution.h"
#include "durable/schedule.h"
#include "store/store.h"

namespace slipway::durable::schedules {

// How many outcomes of each schedule are kept: what a person looks through.
inline constexpr std::int64_t kOutcomesKept = 100;

// CONFLICT when the name is taken.
void insert(store::Transaction& tx, const Schedule& schedule);
// Stores the schedule if nobody has changed it since it was read, and counts its turn up; false if somebody has. This
// is how replicas agree on who starts a run: the update and the run are one transaction.
bool update(store::Transaction& tx, const Schedule& schedule);
// Changes a stored schedule as `edit` says, which is called again if another was faster in between. Gives it as it is
// then. Throws NOT_FOUND, and INVALID_STATE_TRANSITION for one that cannot be read.
Schedule change(store::Transaction& tx, const ScheduleId& id, const std::function<void(Schedule&)>& edit);
// Puts a run that a person asked for into the schedule and the journal: the latest of its runs, whatever its times.
// `calendar_at` is set for times that are made up for; then `kind` is backfilled.
void start_by_hand(store::Transaction& tx, const ScheduleId& id, const RunRecord& run, OutcomeKind kind,
                   std::optional<Instant> calendar_at);
// Says why a schedule cannot come, and when that is tried again. Likewise refused when somebody was faster.
bool set_error(store::Transaction& tx, const Schedule& schedule, const ScheduleError& error, Instant try_again_at);
void add_outcomes(store::Transaction& tx, const Schedule& schedule, const std::vector<ScheduleOutcome>& outcomes);
void remove(store::Transaction& tx, const ScheduleId& id);

std::optional<Schedule> find(store::Transaction& tx, const ScheduleId& id);
std::optional<Schedule> find_by_name(store::Transaction& tx, const std::string& name);
// Newest first.
std::vector<ScheduleOutcome> outcomes(store::Transaction& tx, const ScheduleId& id, std::int64_t limit);
bool was_started(store::Transaction& tx, const ScheduleId& id, Instant calendar_at);

struct Filter {
  std::optional<std::string> name, type;
  std::string after;  // cursor: names greater than this
  std::int64_t offset = 0;
  std::int64_t limit = 50;
};
// By name.
std::vector<Schedule> list(store::Transaction& tx, const Filter& filter);
std::int64_t count(store::Transaction& tx, const Filter& filter);

// Those whose time has come, the earliest first; `after` is the last one of the page before.
std::vector<Schedule> due(store::Transaction& tx, Instant now, const Schedule* after, std::int64_t limit);
// Those of which a start waits for the end of a run.
std::vector<Schedule> buffered(store::Transaction& tx, std::int64_t limit);
// When the next one wants to be looked at.
std::optional<Instant> next_fire_at(store::Transaction& tx, Instant after);

}  // namespace slipway::durable::schedules
