#include "program.h"

#include "base/random.h"
#include "effects.h"
#include "store/store.h"

namespace slipway::chaos {

using durable::Attempt;
using durable::Context;
using durable::Duration;

namespace {

constexpr int kFailsOneIn = 40;
constexpr int kSleepsLongOneIn = 4;
constexpr std::uint64_t kShortSleepMs = 200, kLongSleepMs = 6'000;  // the long ones leave memory

// The outside fails at random, for as long as the chaos lasts: no number of attempts is too many.
durable::Retry patient() {
  durable::Retry retry = durable::retry::local();
  retry.attempts_max = 100'000;
  return retry;
}

std::string name_of(const Context& run, std::int64_t number) { return run.id().str() + "/" + std::to_string(number); }

}  // namespace

std::vector<Action> plan(const ProgramInput& input) {
  base::SeededRandom random{std::uint64_t(input.seed)};
  constexpr ActionKind kKinds[] = {ActionKind::compute, ActionKind::make,  ActionKind::make, ActionKind::count,
                                   ActionKind::sleep,   ActionKind::count, ActionKind::poll, ActionKind::choose};
  std::vector<Action> actions;
  for (std::int64_t i = 0; i < input.length; ++i) {
    Action action{.kind = kKinds[random.below(std::size(kKinds))]};
    if (action.kind == ActionKind::make) action.fails = random.below(kFailsOneIn) == 0;
    const bool is_long = random.below(kSleepsLongOneIn) == 0;
    action.sleep = Duration(std::int64_t(random.below(is_long ? kLongSleepMs : kShortSleepMs)));
    actions.push_back(action);
  }
  return actions;
}

Expectation expect(const ProgramInput& input) {
  Expectation expectation{.status = "completed"};
  const auto actions = plan(input);
  for (std::int64_t i = 0; i < std::int64_t(actions.size()); ++i) {
    const Action& action = actions[std::size_t(i)];
    if (action.fails) return {.status = "failed"};
    if (action.kind == ActionKind::make) expectation.things.push_back(i);
    if (action.kind == ActionKind::make || action.kind == ActionKind::count) expectation.sum += 1;
    if (action.kind == ActionKind::compute) expectation.sum += i;
  }
  return expectation;
}

durable::Run<ProgramOutput> Program::operator()(Context& run, ProgramInput input) const {
  const auto actions = plan(input);
  ProgramOutput output;
  for (std::int64_t i = 0; i < std::int64_t(actions.size()); ++i) {
    const std::string thing = name_of(run, i);
    switch (const Action& action = actions[std::size_t(i)]; action.kind) {
      case ActionKind::compute:
        output.sum += co_await run.compute("compute", [i] { return i; });
        break;
      case ActionKind::make:
        output.sum += co_await run.step(
            "make", patient(),
            [this, thing, fails = action.fails](Attempt& attempt) { return effects_.make(thing, fails, attempt); },
            durable::undo("remove", [this, thing](Attempt& attempt) { effects_.remove(thing, attempt); }));
        break;
      case ActionKind::count:
        output.sum += co_await run.transaction("count", [id = run.id().str(), i](store::Transaction& tx) {
          tx.execute("INSERT INTO chaos_counts (run_id, number) VALUES ($1, $2)", {id, i});
          return std::int64_t(1);
        });
        break;
      case ActionKind::sleep:
        co_await run.sleep("sleep", action.sleep);
        break;
      case ActionKind::poll:
        co_await run.poll("poll", durable::every(Duration(200)).at_most(std::chrono::hours(24)),
                          [this, thing](Attempt& attempt) { return effects_.is_ready(thing, attempt); });
        break;
      case ActionKind::choose: {
        const auto chosen = co_await run.step(
            "choose", patient(), [this, thing](Attempt& attempt) { return effects_.choose(thing, attempt); });
        co_await run.step("confirm", patient(),
                          [this, thing, chosen](Attempt& attempt) { effects_.confirm(thing, chosen, attempt); });
        break;
      }
    }
  }
  co_return output;
}

void Program::on_failure(store::Transaction& tx, const ProgramInput&, const durable::BadEnd& end) const {
  tx.execute("INSERT INTO chaos_bad_ends (run_id, status) VALUES ($1, $2)",
             {end.run.str(), std::string(boost::describe::enum_to_string(end.status, ""))});
}

}  // namespace slipway::chaos
