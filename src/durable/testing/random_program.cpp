#include "durable/testing/random_program.h"

namespace slipway::durable::testing {

namespace {

using Strings = std::vector<std::string>;

// In the present generation: an earlier one had steps of the same names.
constexpr std::string_view kIsRecorded =
    "SELECT COUNT(*) FROM run_events WHERE run_id = $1 AND step = $2 AND type = 'step_completed' AND seq > "
    "(SELECT COALESCE(MAX(seq), 0) FROM run_events WHERE run_id = $1 AND type = 'run_continued')";

// Tries for as long as the world makes it fail.
Retry patient() {
  Retry retry = retry::local();
  retry.attempts_max = 100'000;
  retry.time_max = std::chrono::hours(24);
  return retry;
}

}  // namespace

std::vector<Workflow> RandomProgram::workflows(SimulatedWorld& world, Effects& effects,
                                               std::function<bool(store::Transaction&)> holds_lease) {
  auto body = std::make_shared<const RandomProgram>(world, effects, std::move(holds_lease));
  auto usual = make_workflow<ProgramInput, ProgramOutput>(body);
  auto hasty = usual;
  hasty.type = kHastyType;
  hasty.timeout = kHastyTimeout;
  return {std::move(usual), std::move(hasty)};
}

// ---- what its steps do

// Makes a thing, once for each key however often it is called; may fail before or after the effect.
std::int64_t RandomProgram::make(const std::string& thing, Attempt& attempt, bool fails) const {
  const base::Error told_to_stop(base::ErrorClass::transient, "TOLD_TO_STOP", "before the effect");
  if (attempt.stop().stop_requested()) throw told_to_stop;  // perhaps long after, with nobody waiting for it
  const auto slash = attempt.idempotency_key().find('/');
  const std::string run = attempt.idempotency_key().substr(0, std::min(slash, attempt.idempotency_key().find('@')));
  const std::string step = attempt.idempotency_key().substr(slash + 1);
  if (!world_.disk().in_transaction()) {
    world_.disk().read([&](store::Transaction& tx) {
      if (tx.query(kIsRecorded, {run, step}).front().integer(0) == 0) return;
      if (holds_lease_(tx)) effects_.violations.push_back("a completed step ran again: " + attempt.idempotency_key());
    });
  }
  if (world_.chance(0.1)) throw base::Error(base::ErrorClass::transient, "LOST_REQUEST", "before the effect");
  if (fails) throw base::Error(base::ErrorClass::user, "REFUSED", "never works");
  effects_.things.insert(thing);
  if (world_.chance(0.1)) throw base::Error(base::ErrorClass::transient, "LOST_ANSWER", "after the effect");
  return 1;
}

// Each attempt does a part, says so, and fails; the third knows by what was said that the rest was done.
std::int64_t RandomProgram::make_in_parts(const std::string& thing, Attempt& attempt) const {
  const auto done = attempt.last_heartbeat<std::int64_t>().value_or(0);
  auto& furthest = effects_.beats[attempt.idempotency_key()];
  if (done > furthest) effects_.violations.push_back("a heartbeat that never was: " + attempt.idempotency_key());
  if (done >= 2) return make(thing, attempt, false);
  furthest = std::max(furthest, done + 1);
  attempt.heartbeat(done + 1);
  throw base::Error(base::ErrorClass::transient, "ONE_PART_DONE", "more to do");
}

void RandomProgram::remove(const std::string& thing) const {
  if (world_.chance(0.2)) throw base::Error(base::ErrorClass::transient, "LOST_REQUEST", "before removing");
  effects_.things.erase(thing);
}

// ---- the body

Run<ProgramOutput> RandomProgram::operator()(Context& run, ProgramInput input) const {
  std::int64_t sum = input.carried;
  std::vector<Child<ProgramOutput>> aside;
  const auto acts = plan(input);
  for (const auto& act : acts) {
    if (act.does == Does::child_aside || act.does == Does::child_detached) {
      auto child = run.start_child<ProgramOutput>("child", std::string(kType), act.children[0]);
      act.does == Does::child_aside ? aside.push_back(child) : child.detach();
    } else {
      sum += co_await do_alone(run, act);
    }
  }
  for (auto& child : aside) sum += (co_await child).sum;
  if (input.rounds > 1) co_return co_await run.continue_as_new<ProgramOutput>(next_round(input, sum));
  co_return ProgramOutput{sum};
}

Run<std::int64_t> RandomProgram::do_alone(Context& run, const Act& act) const {
  switch (act.does) {
    case Does::compute:
      co_return co_await run.compute("compute", [i = act.i] { return i; });
    case Does::make:
    case Does::make_hasty:
    case Does::make_beat:
      co_return co_await do_make(run, act);
    case Does::make_each:
      co_return co_await do_make_each(run, act);
    case Does::count:
      co_return co_await run.transaction("count", [id = run.id().str(), i = act.i](store::Transaction& tx) {
        tx.execute("INSERT INTO test_counts (run_id, i) VALUES ($1, $2)", {id, i});
        return std::int64_t(1);
      });
    case Does::sleep:
      co_await sleep_and_settle(run, act);
      break;
    case Does::poll:
      co_await run.poll("poll", every(Duration(50)).at_most(Duration(10'000'000)),
                        [this] { return world_.chance(0.4); });
      break;
    case Does::choose:
      co_await choose_and_repeat(run);
      break;
    case Does::values:
      co_await do_values(run, act);
      break;
    case Does::signals:
      co_return co_await do_signals(run, act);
    case Does::await_signal_in_vain:
      if (co_await run.signal<void>("never-sent", within(act.delay)))
        effects_.violations.push_back("a signal that nobody sent: " + run.id().str());
      break;
    case Does::child:
    case Does::children:
      co_return co_await do_children(run, act);
    case Does::child_aside:
    case Does::child_detached:
      break;  // not alone
  }
  co_return 0;
}

Run<std::int64_t> RandomProgram::do_make(Context& run, const Act& act) const {
  const std::string thing = run.id().str() + "/" + std::to_string(act.i);
  auto remove_it = undo("remove", [this, thing] { remove(thing); });
  if (act.does == Does::make_beat)
    co_return co_await run.step(
        "make-beat", patient(), [this, thing](Attempt& attempt) { return make_in_parts(thing, attempt); }, remove_it);
  Retry retry = patient();
  if (act.does == Does::make_hasty) retry.attempt_timeout = Duration(30);
  co_return co_await run.step(
      "make", retry, [this, thing, fails = act.fails](Attempt& attempt) { return make(thing, attempt, fails); },
      remove_it);
}

Run<std::int64_t> RandomProgram::do_make_each(Context& run, const Act& act) const {
  const std::string prefix = run.id().str() + "/" + std::to_string(act.i) + ".";
  std::vector<std::int64_t> items(act.refused.size());
  for (std::size_t i = 0; i < items.size(); ++i) items[i] = std::int64_t(i);
  Wide width = wide(std::size_t(act.width));
  if (act.fails_fast) width = width.fail_fast();
  const auto made = co_await run.for_each(
      "make-each", items, width, patient(),
      [this, prefix, refused = act.refused](std::int64_t i, Attempt& attempt) {
        return make(prefix + std::to_string(i), attempt, refused[std::size_t(i)]);
      },
      undo("remove", [this, prefix](std::int64_t i) { remove(prefix + std::to_string(i)); }));
  std::int64_t sum = 0;
  for (const auto& one : made) sum += one.value_or(0);
  co_return sum;
}

Run<std::int64_t> RandomProgram::do_signals(Context& run, const Act& act) const {
  const AskedSignals asked{run.id().str(), "signal-" + std::to_string(act.i), act.signals};
  co_await run.step("ask", [this, asked] {
    if (effects_.asked.insert(asked).second) effects_.newly_asked.push_back(asked);
  });
  std::vector<std::int64_t> received;
  for (std::int64_t i = 0; i < asked.count; ++i) received.push_back(co_await run.signal<std::int64_t>(asked.name));
  // In a step, as that begins after what came before is durable: an evicted replica may dream of anything.
  co_await run.step("check-signals", [this, asked, received] {
    for (std::int64_t i = 0; i < asked.count; ++i)
      if (received[std::size_t(i)] != i)
        effects_.violations.push_back("signals out of order: " + asked.run + " " + asked.name);
  });
  co_return asked.count;
}

// One that is stopped meanwhile does a last thing for all that, once.
Run<> RandomProgram::sleep_and_settle(Context& run, const Act& act) const {
  bool stopped = false;
  try {
    co_await run.sleep("sleep", act.delay);
  } catch (const Cancelled&) {
    stopped = true;
  }
  if (!stopped) co_return;
  co_await run
      .step("settle", patient(),
            [this] {
              if (world_.chance(0.3)) throw base::Error(base::ErrorClass::transient, "LOST_REQUEST", "not yet");
            })
      .despite_cancel();
  co_await run
      .transaction("count-settled",
                   [id = run.id().str(), i = act.i](store::Transaction& tx) {
                     tx.execute("INSERT INTO test_counts (run_id, i) VALUES ($1, $2)", {id, i});
                   })
      .despite_cancel();
  throw Cancelled();
}

Run<std::int64_t> RandomProgram::do_children(Context& run, const Act& act) const {
  const std::string type(kType);
  if (act.does == Does::child) co_return (co_await run.child<ProgramOutput>("child", type, act.children[0])).sum;
  Wide width = wide(std::size_t(act.width));
  if (act.fails_fast) width = width.fail_fast();
  const auto all = co_await run.children<ProgramOutput>("children", type, act.children, width);
  std::int64_t sum = 0;
  for (const auto& one : all) sum += one.value_or(ProgramOutput{}).sum;
  co_return sum;
}

Run<> RandomProgram::choose_and_repeat(Context& run) const {
  const auto chosen = co_await run.step("choose", [this] { return std::int64_t(world_.random().below(1'000)); });
  const auto again = co_await run.compute("repeat", [chosen] { return chosen; });
  if (again != chosen) effects_.violations.push_back("a recorded result changed: " + run.id().str());
}

Run<> RandomProgram::do_values(Context& run, const Act& act) const {
  const Strings values{base::format_rfc3339(run.now()), run.uuid(), std::to_string(run.random()),
                       std::to_string(run.version("change-" + std::to_string(act.i), 3))};
  const auto seen = co_await run.step("see", [values] { return values; });
  if (seen != values) effects_.violations.push_back("a recorded value changed: " + run.id().str());
}

void RandomProgram::on_failure(store::Transaction& tx, const ProgramInput&, const BadEnd& end) const {
  tx.execute("INSERT INTO test_bad_ends (run_id, status) VALUES ($1, $2)",
             {end.run.str(), std::string(boost::describe::enum_to_string(end.status, ""))});
}

// ---- the comparison

namespace {

// What the journal says was done, over all generations.
struct Recorded {
  std::set<std::string> completed;  // with the generation
  std::int64_t counts = 0;
  std::size_t made = 0;          // in all generations
  std::size_t made_earlier = 0;  // in those before the last: nothing undoes them
  std::set<std::string> children;
  std::vector<std::string> twice;
};

Recorded read_journal(const std::vector<Event>& events) {
  Recorded recorded;
  std::int64_t generation = 1;
  for (const auto& event : events) {
    if (event.type == EventType::run_continued) {
      ++generation;
      recorded.made_earlier = recorded.made;
    }
    if (event.type == EventType::child_started)
      recorded.children.insert(std::string(event.data.at("child").as_string()));
    if (event.type != EventType::step_completed) continue;
    if (!recorded.completed.insert(std::to_string(generation) + "/" + event.step).second)
      recorded.twice.push_back(event.step);
    recorded.counts += event.step.starts_with("count") ? 1 : 0;
    const bool is_group = event.data.at("kind") == json::Value("fan_out");
    recorded.made += event.step.starts_with("make") && !is_group ? 1 : 0;
  }
  return recorded;
}

}  // namespace

void check_program(store::Transaction& tx, const journal::Row& row, const std::vector<Event>& events,
                   Effects& effects) {
  const std::string& id = row.record.id.str();
  const auto fail = [&](const std::string& what) { effects.violations.push_back(what + ": " + id); };
  const RunState state = fold_all(events);
  const Recorded recorded = read_journal(events);
  if (!state.is_final()) return fail("a run never ended " + row.parked_reason.value_or(""));
  if (state.status != row.status) fail("the row disagrees with the journal");
  for (const auto& step : recorded.twice) fail("step " + step + " completed twice");
  const auto number = [&](const std::string& query) { return tx.query(query, {id}).front().integer(0); };
  if (number("SELECT COUNT(*) FROM test_counts WHERE run_id = $1") != recorded.counts)
    fail("transactions and their records differ");
  if (number("SELECT COUNT(*) FROM test_bad_ends WHERE run_id = $1") != (state.status != RunStatus::completed))
    fail("the failure hook ran another number of times than once");
  if (number("SELECT COUNT(*) FROM runs WHERE parent_id = $1") != std::int64_t(recorded.children.size()))
    fail("its children and their record differ");

  const auto model = expected(json::from_value<ProgramInput>(row.record.input));
  if (state.status == RunStatus::completed &&
      (model.fails || json::from_value<ProgramOutput>(state.output).sum != model.sum))
    fail("it came to something else than its model");
  const bool may_time_out = row.record.type == RandomProgram::kHastyType;
  if (state.status == RunStatus::failed && !(state.failure->code == "REFUSED" && model.fails) &&
      !(state.failure->code == "TIMED_OUT" && may_time_out))
    fail("it failed with " + state.failure->code + " against its model");

  std::size_t things = 0;
  for (auto thing = effects.things.lower_bound(id + "/"); thing != effects.things.end() && thing->starts_with(id + "/");
       ++thing)
    ++things;
  if (state.status == RunStatus::completed && things != recorded.made) fail("things differ from what was recorded");
  if (state.status != RunStatus::completed && !state.needs_attention && things != recorded.made_earlier)
    fail("something was left behind, or taken that was done");
}

}  // namespace slipway::durable::testing
