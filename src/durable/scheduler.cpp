#include "durable/scheduler.h"

#include <algorithm>

#include "durable/journal.h"
#include "durable/schedule_store.h"

namespace slipway::durable {
namespace {

using namespace std::chrono_literals;

constexpr std::int64_t kDueAtOnce = 200;  // schedules taken in one look: they share a few groups of the store
constexpr std::int64_t kSweepPage = 500;  // bounds memory and the length of a read
constexpr Duration kStorePause = 1s;      // after a look that the store refused
constexpr Duration kLateAfter = 60s;

constexpr std::string_view kResourceType = "schedule";

bool is_store_trouble(const base::Error& error) {
  return error.code().starts_with("STORE_") || error.code() == "REPLICA_FENCED";
}

// Whether a declared schedule is stored as it is declared.
bool is_same(const ScheduleDefinition& a, const ScheduleDefinition& b) {
  return json::to_value(a) == json::to_value(b);
}

}  // namespace

// One schedule, taken once: what the write finds and does.
struct Scheduler::Attempt {
  Schedule schedule;
  Cron calendar;
  RunRecord run;
  Instant now;
  // set by the write, which may run more than once
  std::optional<Turn> turn;
  bool taken = false;
};

Scheduler::Scheduler(store::Database& database, base::EventLoop& loop, const base::Clock& clock, base::IdGenerator& ids,
                     Engine& engine, SchedulerOptions options)
    : database_(database),
      loop_(loop),
      clock_(clock),
      ids_(ids),
      engine_(engine),
      options_(options),
      self_(std::make_shared<Scheduler*>(this)) {
  // A start may wait for the end of a run.
  engine_.observe(
      [alive = std::weak_ptr(self_)](const RunRecord& run, const RunState& state, const std::vector<Event>&) {
        const auto self = alive.lock();
        if (self && state.is_final() && run.resource_type == kResourceType) (*self)->look();
      });
}

Scheduler::~Scheduler() { stop(); }

template <class F>
auto Scheduler::on_loop(F function) {
  return [&loop = loop_, alive = std::weak_ptr(self_), function = std::move(function)](auto... arguments) mutable {
    loop.post([alive, function = std::move(function), ... arguments = std::move(arguments)]() mutable {
      const auto self = alive.lock();
      if (self && !(*self)->stopped_) function(std::move(arguments)...);
    });
  };
}

void Scheduler::start() {
  stopped_ = false;
  declare_all();
  look();
}

void Scheduler::stop() {
  stopped_ = true;
  loop_.cancel(std::exchange(timer_, 0));
}

// ---- declared in code

void Scheduler::declare(ScheduleDefinition definition) {
  validate(definition);
  SLIPWAY_ASSERT(definition.name.contains('.') && !definition.remaining && !is_declared(definition.name));
  SLIPWAY_ASSERT(engine_.find_workflow(definition.type) != nullptr);
  declared_.push_back(std::move(definition));
}

bool Scheduler::is_declared(const std::string& name) const {
  return std::ranges::any_of(declared_, [&](const auto& definition) { return definition.name == name; });
}

void Scheduler::declare_all() {
  if (declared_.empty()) return;
  std::vector<Schedule> fresh;
  for (const auto& definition : declared_) {
    Schedule schedule{.id = ids_.make<ScheduleId>(), .definition = definition, .declared = true};
    schedule.created_at = schedule.updated_at = clock_.now();
    durable::arm(schedule, calendar_of(definition), clock_.now());
    fresh.push_back(std::move(schedule));
  }
  database_.write(
      [fresh, now = clock_.now()](store::Transaction& tx) {
        for (const auto& schedule : fresh) {
          auto stored = schedules::find_by_name(tx, schedule.definition.name);
          if (!stored) {
            schedules::insert(tx, schedule);
          } else if (!is_same(stored->definition, schedule.definition)) {
            redefine(*stored, schedule.definition, now);
            schedules::update(tx, *stored);  // refused: another replica has just done it, or started it
          }
        }
      },
      on_loop([this](std::exception_ptr failure) {
        if (!failure) return look();
        if (trouble_)
          trouble_(TroubleKind::store, "", "schedules cannot be declared yet: " + base::as_error(failure).message());
        loop_.post_at(clock_.now() + kStorePause, on_loop([this] { declare_all(); }));
      }));
}

// ---- looking

void Scheduler::look() {
  if (stopped_) return;
  if (is_sweep_due()) {
    sweeping_ = true;
    sweep("");
  }
  if (looking_ || under_way_ > 0) {
    look_again_ = true;
    return;
  }
  looking_ = true;
  look_again_ = false;
  late_ = 0;
  next_look_ = Instant::max();
  loop_.cancel(std::exchange(timer_, 0));
  read_due({});
}

// Page by page to the end, so that those which cannot come hold up nobody.
void Scheduler::read_due(std::optional<Schedule> after) {
  struct Found {
    std::vector<Schedule> due, buffered;
    std::optional<Instant> next;
  };
  auto found = std::make_shared<Found>();
  const Instant now = clock_.now();
  database_.read(
      [found, now, after](store::Transaction& tx) {
        found->due = schedules::due(tx, now, after ? &*after : nullptr, kDueAtOnce);
        found->next = schedules::next_fire_at(tx, now);
        if (!after) found->buffered = schedules::buffered(tx, kDueAtOnce);
      },
      on_loop([this, found, now](std::exception_ptr failure) {
        if (failure) {
          looking_ = false;
          return want_look(clock_.now() + kStorePause);
        }
        std::erase_if(found->buffered, [&](const Schedule& schedule) {  // those stand among the due ones
          return schedule.fire_at && *schedule.fire_at <= now;
        });
        on_due(found->buffered);
        on_due(found->due);
        if (std::int64_t(found->due.size()) == kDueAtOnce) return read_due(found->due.back());
        looking_ = false;
        counted_.late = late_;
        const Instant latest = now + options_.look_every;
        want_look(found->next ? std::min(*found->next, latest) : latest);
        if (under_way_ == 0 && std::exchange(look_again_, false)) look();
      }));
}

void Scheduler::on_due(const std::vector<Schedule>& due) {
  for (const auto& schedule : due) {
    if (schedule.fire_at && *schedule.fire_at < clock_.now() - kLateAfter) ++late_;
    take(schedule);
  }
}

// At `at` or earlier; while a look is under way it is remembered.
void Scheduler::want_look(Instant at) {
  next_look_ = std::min(next_look_, at);
  if (looking_) return;
  loop_.cancel(timer_);
  timer_ = loop_.post_at(next_look_, [this] {
    timer_ = 0;
    look();
  });
}

// ---- taking one

void Scheduler::take(const Schedule& schedule) {
  const Instant now = clock_.now();
  if (!schedule.unreadable.empty()) return say_error(schedule, schedule.unreadable);
  if (engine_.find_workflow(schedule.definition.type) == nullptr) {
    if (!schedule.fire_at || *schedule.fire_at > now - options_.unknown_patience) return;
    return say_error(schedule, "no hub knows a workflow '" + schedule.definition.type + "'");
  }
  try {
    submit(std::make_shared<Attempt>(Attempt{.schedule = schedule,
                                             .calendar = calendar_of(schedule.definition),
                                             .run = make_run(schedule),
                                             .now = now,
                                             .turn = {}}));
  } catch (const base::Error& error) {
    say_error(schedule, error.message());
  }
}

RunRecord Scheduler::make_run(const Schedule& schedule) {
  return engine_.make_record({.type = schedule.definition.type,
                              .resource_type = std::string(kResourceType),
                              .resource_id = schedule.id.str(),
                              .triggered_by = schedule.id.str(),
                              .owner_id = schedule.owner_id,
                              .input = schedule.definition.input});
}

void Scheduler::submit(std::shared_ptr<Attempt> attempt) {
  ++under_way_;
  database_.write(
      [attempt](store::Transaction& tx) {
        const ScheduleId& id = attempt->schedule.id;
        attempt->taken = false;
        attempt->turn = take_turn(
            attempt->schedule, attempt->calendar, attempt->now,
            {.at_work = attempt->schedule.definition.overlap != Overlap::allow &&
                        !journal::unfinished_on(tx, id.str()).empty(),
             .was_started = [&](Instant calendar_at) { return schedules::was_started(tx, id, calendar_at); }});
        if (!attempt->turn) return;
        Turn& turn = *attempt->turn;
        if (turn.start) {
          turn.outcomes.back().run_id = attempt->run.id.str();
          turn.after.last_run_id = attempt->run.id.str();
          turn.after.last_started_at = attempt->now;
        }
        if (!schedules::update(tx, turn.after)) return;  // another replica was faster, or a person
        schedules::add_outcomes(tx, turn.after, turn.outcomes);
        if (turn.start) journal::insert_run(tx, attempt->run);
        attempt->taken = true;
      },
      on_loop([this, attempt](std::exception_ptr failure) { on_taken(attempt, failure); }));
}

void Scheduler::on_taken(const std::shared_ptr<Attempt>& attempt, std::exception_ptr failure) {
  --under_way_;
  const Schedule& schedule = attempt->schedule;
  if (failure) {
    const auto error = base::as_error(failure);
    if (!is_store_trouble(error)) say_error(schedule, error.message());
    // Else it is tried with the next look.
  } else if (attempt->taken) {
    const Turn& turn = *attempt->turn;
    if (turn.start) engine_.launch(std::move(attempt->run));
    count(schedule, turn.outcomes);
    if (turn.after.fire_at) want_look(*turn.after.fire_at);
    if (turn.cancel_running) cancel_running(turn.after);
  } else if (schedule.buffered_at && schedule.definition.overlap == Overlap::cancel_running) {
    cancel_running(schedule);  // again: who asked may have died before it was durable
  }
  if (under_way_ == 0 && !looking_ && std::exchange(look_again_, false)) look();
}

void Scheduler::cancel_running(const Schedule& schedule) {
  auto runs = std::make_shared<std::vector<journal::Row>>();
  database_.read([runs, id = schedule.id.str()](store::Transaction& tx) { *runs = journal::unfinished_on(tx, id); },
                 on_loop([this, runs, by = schedule.id.str()](std::exception_ptr failure) {
                   if (failure) return;  // the next look asks again
                   for (const auto& row : *runs) engine_.cancel(row.record.id, by, [](std::exception_ptr) {});
                 }));
}

void Scheduler::say_error(const Schedule& schedule, const std::string& message) {
  ++counted_.errors;
  if (!schedule.error || schedule.error->message != message) tell(TroubleKind::error, schedule, message);
  const Instant now = clock_.now();
  database_.write([schedule, error = ScheduleError{message, now}, again = now + options_.error_pause](
                      store::Transaction& tx) { schedules::set_error(tx, schedule, error, again); },
                  [](std::exception_ptr) {});  // said again at the next look
}

void Scheduler::count(const Schedule& schedule, const std::vector<ScheduleOutcome>& outcomes) {
  for (const auto& outcome : outcomes) {
    const auto number = std::uint64_t(outcome.count);
    if (outcome.kind == OutcomeKind::started) counted_.started += number;
    if (outcome.kind == OutcomeKind::skipped) counted_.skipped += number;
    if (outcome.kind == OutcomeKind::buffered) counted_.buffered += number;
    if (outcome.kind != OutcomeKind::missed) continue;
    counted_.missed += number;
    tell(TroubleKind::missed, schedule,
         std::to_string(number) + " of its times came while nobody could start them, from " +
             base::format_rfc3339(*outcome.calendar_at) + " on");
  }
}

void Scheduler::tell(TroubleKind kind, const Schedule& schedule, const std::string& what) const {
  if (trouble_) trouble_(kind, schedule.definition.name, what);
}

// ---- the sweep

bool Scheduler::is_sweep_due() const {
  if (sweeping_) return false;
  const Instant now = clock_.now();
  return !swept_at_ || now < *swept_at_ ||
         now - *swept_at_ >= options_.sweep_every;  // also when the clock was set back
}

void Scheduler::sweep(std::string after) {
  auto page = std::make_shared<std::vector<Schedule>>();
  database_.read(
      [page, after](store::Transaction& tx) { *page = schedules::list(tx, {.after = after, .limit = kSweepPage}); },
      on_loop([this, page](std::exception_ptr failure) {
        for (const auto& schedule : *page) {
          if (!schedule.unreadable.empty()) continue;
          try {
            const auto calendar = calendar_of(schedule.definition);
            if (!is_armed_right(schedule, calendar, clock_.now())) repair(schedule, calendar);
          } catch (const base::Error& error) {  // a zone that is gone, say: known before its time comes
            if (!schedule.error) say_error(schedule, error.message());
          }
        }
        if (!failure && std::int64_t(page->size()) == kSweepPage) return sweep(page->back().definition.name);
        sweeping_ = false;
        if (!failure) swept_at_ = clock_.now();
      }));
}

void Scheduler::repair(const Schedule& schedule, const Cron& calendar) {
  Schedule repaired = schedule;
  durable::arm(repaired, calendar, clock_.now());
  auto done = std::make_shared<bool>(false);
  database_.write([repaired, done](store::Transaction& tx) { *done = schedules::update(tx, repaired); },
                  on_loop([this, repaired, done](std::exception_ptr failure) {
                    if (failure || !*done) return;  // the next sweep looks again
                    ++counted_.repaired;
                    tell(TroubleKind::repaired, repaired,
                         repaired.next_at ? "its next time was lost or wrong; it is " +
                                                base::format_rfc3339(*repaired.next_at) + " again"
                                          : "it had no next time, as its calendar is at its end");
                    look();
                  }));
}

}  // namespace slipway::durable
