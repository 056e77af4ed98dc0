#include "durable/testing/random_program.h"

namespace slipway::durable::testing {

namespace {

constexpr std::string_view kIsRecorded =
    "SELECT COUNT(*) FROM run_events WHERE run_id = $1 AND step = $2 AND type = 'step_completed'";

}  // namespace

// Makes a thing, once for each key however often it is called; may fail before or after the effect.
std::int64_t RandomProgram::make(const std::string& thing, Attempt& attempt, bool fails) const {
  const auto slash = attempt.idempotency_key().find('/');
  const std::string run = attempt.idempotency_key().substr(0, slash);
  const std::string step = attempt.idempotency_key().substr(slash + 1);
  ++effects_.calls[attempt.idempotency_key()];
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

void RandomProgram::remove(const std::string& thing) const {
  if (world_.chance(0.2)) throw base::Error(base::ErrorClass::transient, "LOST_REQUEST", "before removing");
  effects_.things.erase(thing);
}

Run<ProgramOutput> RandomProgram::operator()(Context& run, ProgramInput input) const {
  base::SeededRandom choice{std::uint64_t(input.seed)};
  ProgramOutput output;
  const std::string id = run.id().str();
  for (std::int64_t i = 0; i < input.length; ++i) {
    switch (choice.below(7)) {
      case 0:
        output.sum += co_await run.compute("compute", [i] { return i; });
        break;
      case 1:
      case 2: {
        const std::string thing = id + "/" + std::to_string(i);
        const bool fails = choice.below(12) == 0;
        Retry patient = retry::local();
        patient.attempts_max = 1'000;
        output.sum += co_await run.step(
            "make", patient, [this, thing, fails](Attempt& attempt) { return make(thing, attempt, fails); },
            undo("remove", [this, thing] { remove(thing); }));
        break;
      }
      case 3:
        output.sum += co_await run.transaction("count", [id, i](store::Transaction& tx) {
          tx.execute("INSERT INTO test_counts (run_id, i) VALUES ($1, $2)", {id, i});
          return std::int64_t(1);
        });
        break;
      case 4:
        co_await run.sleep("sleep", Duration(std::int64_t(choice.below(3) == 0 ? 60'000 : choice.below(200))));
        break;
      case 5:
        co_await run.poll("poll", every(Duration(50)).at_most(Duration(10'000'000)),
                          [this] { return world_.chance(0.4); });
        break;
      case 6: {
        const auto chosen = co_await run.step("choose", [this] { return std::int64_t(world_.random().below(1'000)); });
        const auto again = co_await run.compute("repeat", [chosen] { return chosen; });
        if (again != chosen) effects_.violations.push_back("a recorded result changed: " + id);
        break;
      }
    }
  }
  co_return output;
}

void RandomProgram::on_failure(store::Transaction& tx, const ProgramInput&, const BadEnd& end) const {
  tx.execute("INSERT INTO test_bad_ends (run_id, status) VALUES ($1, $2)",
             {end.run.str(), std::string(boost::describe::enum_to_string(end.status, ""))});
}

}  // namespace slipway::durable::testing
