#include "durable/testing/simulation.h"

#include <algorithm>
#include <ostream>

#include "base/digest.h"
#include "durable/engine.h"
#include "durable/journal.h"
#include "durable/queue_store.h"
#include "durable/testing/queue_checks.h"
#include "durable/testing/random_program.h"

namespace slipway::durable::testing {
namespace {

constexpr int kRuns = 6;                           // and their children
constexpr int kCrashesMax = 25;                    // then the faults stop, and everything must come to its end
constexpr int kStepsMax = 2'000'000;               // more is a livelock
constexpr auto kPatience = std::chrono::hours(6);  // simulated; the longest program sleeps for some minutes

// One hub: a process that dies and is started again, and the engine in it.
struct Replica {
  std::unique_ptr<SimulatedWorld::Process> process;
  std::unique_ptr<Engine> engine;
  base::ReplicaId id;
};

class Simulation {
 public:
  Simulation(std::uint64_t seed, std::ostream* trace) : world_(seed), liveness_(seed % 3 == 0), trace_(trace) {
    result_.seed = seed;
    world_.disk().write([](store::Transaction& tx) {
      tx.execute("CREATE TABLE test_counts (run_id TEXT, i BIGINT)");
      tx.execute("CREATE TABLE test_bad_ends (run_id TEXT, status TEXT)");
    });
    auto& random = world_.random();
    world_.faults() = {.crash_before_commit = 0.03 * random.fraction(),
                       .crash_after_commit = 0.03 * random.fraction(),
                       .write_fails = 0.1 * random.fraction(),
                       .read_fails = 0.1 * random.fraction(),
                       .crash_anywhere = 0.005 * random.fraction(),
                       .pause = world_.chance(0.5) ? 0.005 * random.fraction() : 0,
                       .bell_lost = world_.chance(0.5) ? random.fraction() : 0,
                       .clock_jump = world_.chance(0.3) ? 0.01 * random.fraction() : 0};
    make_queues();
    replicas_.resize(1 + random.below(3));
    world_.on_commit([this](SimulatedWorld::Process& process) { check_commit(process); });
  }

  SimulationResult run() {
    for (std::size_t i = 0; i < replicas_.size(); ++i) boot(i);
    for (int i = 0; i < kRuns; ++i) plan_ask();
    plan_pause(true);
    if (world_.chance(0.2)) plan_removal();
    const auto began = world_.now();
    std::int64_t steps = 0;
    while (effects_.violations.empty() && !is_settled(steps)) {
      if (++steps > kStepsMax || world_.now() - began > kPatience) {
        fail("it never ends: " + unfinished());
        break;
      }
      step();
      for (auto& asked : std::exchange(effects_.newly_asked, {}))
        plan_send(std::make_shared<Sending>(std::move(asked)));
    }
    for (auto& replica : replicas_) stop(replica);
    if (effects_.violations.empty()) check();
    for (const auto& violation : effects_.violations) result_.violations += violation + "\n";
    result_.crashes = crashes_;
    result_.events = last_event_;
    result_.runs = std::int64_t(acknowledged_.size());
    result_.digest = digest();
    return result_;
  }

 private:
  void step() {
    try {
      world_.step();
    } catch (const Crash&) {
      const auto dead = std::ranges::find_if(
          replicas_, [&](const Replica& replica) { return replica.process.get() == world_.current(); });
      tell(world_.current(), "dies");
      stop(*dead);
      world_.disk().rollback();
      if (++crashes_ == kCrashesMax) heal();
      const auto index = std::size_t(dead - replicas_.begin());
      if (!abandoned_.contains(index))
        world_.at(world_.now() + Duration(std::int64_t(world_.random().below(6'000))), [this, index] { boot(index); });
    }
  }

  // The faults end. For liveness, all replicas but one stay as they are now for ever: dead, or standing still.
  void heal() {
    tell(nullptr, liveness_ ? "the faults end, and all replicas but one stand still for ever" : "the faults end");
    world_.faults() = {};
    if (!liveness_) return;
    const auto survivor = world_.random().below(replicas_.size());
    for (std::size_t i = 0; i < replicas_.size(); ++i) {
      if (i == survivor) continue;
      abandoned_.insert(i);
      if (replicas_[i].process) replicas_[i].process->pause_until(base::from_unix_ms(253'402'300'799'000));
    }
  }

  void stop(Replica& replica) {
    if (replica.engine) {
      const auto statistics = replica.engine->statistics();
      result_.lost_leases += std::int64_t(statistics.lost_leases);
      result_.taken_over += std::int64_t(statistics.taken_over);
      if (statistics.repaired > 0) fail("the sweep had to repair something");
    }
    replica.engine.reset();
    replica.process.reset();
  }

  void boot(std::size_t index) {
    Replica& replica = replicas_[index];
    if (replica.process || abandoned_.contains(index)) return;
    replica.process = world_.boot();
    auto& process = *replica.process;
    tell(&process, "is started");
    if (world_.faults().clock_jump > 0)
      process.set_skew(Duration(std::int64_t(world_.random().below(20'000)) - 10'000));
    replica.engine =
        std::make_unique<Engine>(process, process, process, process, world_.random(), ids_,
                                 EngineOptions{.cancel_grace = Duration(200),
                                               .evict_after = Duration(3'000),
                                               .lease = {.name = "hub-" + std::to_string(index), .sole = false}});
    auto* engine = replica.engine.get();
    for (auto& workflow : RandomProgram::workflows(world_, effects_, [engine](store::Transaction& tx) {
           return !tx.query("SELECT 1 FROM replicas WHERE id = $1", {engine->replica().str()}).empty();
         }))
      engine->add(std::move(workflow));
    engine->on_notice([this, &process](const std::string& text) { tell(&process, text); });
    join(index, engine);
  }

  void join(std::size_t index, Engine* engine) {
    engine->join([this, index, engine](std::exception_ptr failure) {
      auto& process = *replicas_[index].process;
      if (failure) process.post_at(process.now() + Duration(100), [this, index, engine] { join(index, engine); });
    });
  }

  Replica* any_joined() {
    std::vector<Replica*> able;
    for (auto& replica : replicas_)
      if (replica.engine && replica.engine->has_joined()) able.push_back(&replica);
    return able.empty() ? nullptr : able[world_.random().below(able.size())];
  }

  void plan_ask() {
    world_.at(world_.now() + Duration(std::int64_t(world_.random().below(20'000))), [this] { ask(); });
  }

  void make_queues() {
    auto& random = world_.random();
    world_.disk().write([&](store::Transaction& tx) {
      QueueLimits narrow{.concurrency = 1 + std::int64_t(random.below(3))};
      if (world_.chance(0.5)) narrow.key_concurrency = 1;
      queues::put(tx, "narrow", narrow, world_.now());
      queues::put(tx, "slow", {.rate = Rate{.count = 1 + std::int64_t(random.below(2)), .period = Duration(5'000)}},
                  world_.now());
    });
  }

  // Some of the runs go through queues, in every way there is.
  std::optional<Ticket> choose_ticket() {
    auto& random = world_.random();
    if (world_.chance(0.3)) return std::nullopt;
    Ticket ticket{.queue = world_.chance(0.7) ? "narrow" : "slow",
                  .key = std::string(1, char('a' + random.below(2))),
                  .priority = std::int64_t(random.below(2)),
                  .weight = 1 + std::int64_t(random.below(3))};
    if (world_.chance(0.2)) {
      ticket.debounce = Debounce{.key = "k",
                                 .mode = world_.chance(0.5) ? DebounceMode::leading : DebounceMode::trailing,
                                 .wait = Duration(3'000),
                                 .wait_max = Duration(9'000)};
    } else if (world_.chance(0.2)) {
      ticket.not_before = world_.now() + Duration(std::int64_t(random.below(20'000)));
    }
    if (!ticket.debounce && world_.chance(0.2)) ticket.dedup_key = "k";
    return ticket;
  }

  // An operator does something to the queues, through any replica; what fails is done again.
  void operate(const std::string& what, const std::string& queue, std::function<void(store::Transaction&)> deed,
               std::function<void()> then) {
    world_.at(world_.now() + Duration(std::int64_t(world_.random().below(30'000))), [this, what, queue, deed, then] {
      auto* replica = any_joined();
      if (replica == nullptr) return operate(what, queue, deed, then);
      tell(replica->process.get(), "is asked to " + what);
      auto done = std::make_shared<bool>(false);
      replica->process->write(
          deed, [this, what, queue, deed, then, done, engine = replica->engine.get()](std::exception_ptr failure) {
            *done = true;
            if (failure) return operate(what, queue, deed, then);
            engine->queue_changed(queue);
            then();
          });
      // Whoever is asked may die, and then nobody answers: the operator asks again.
      world_.at(world_.now() + std::chrono::minutes(1), [this, what, queue, deed, then, done] {
        if (!std::exchange(*done, true)) operate(what, queue, deed, then);
      });
    });
  }

  void plan_pause(bool pause) {
    operate(
        pause ? "pause a queue" : "resume it", "narrow",
        [pause, now = world_.now()](store::Transaction& tx) {
          const Pause why{.at = now, .by = "usr_test", .reason = "why not"};
          queues::set_pause(tx, "narrow", pause ? std::optional(why) : std::nullopt, now);
        },
        [this, pause] {
          if (pause) plan_pause(false);
        });
  }

  void plan_removal() {
    operate(
        "delete a queue", "slow",
        [](store::Transaction& tx) {
          if (queues::find(tx, "slow")) queues::remove(tx, "slow");
        },
        [] {});
  }

  // As a caller does: run and record in one transaction, launch after it. A request that a crash swallowed is lost
  // without harm, as nobody was told of it.
  void ask() {
    auto* replica = any_joined();
    if (replica == nullptr) return plan_ask();
    ++asked_;
    ProgramInput input{.seed = std::int64_t(world_.random().below(1'000'000)),
                       .length = std::int64_t(world_.random().below(12)),
                       .depth = std::int64_t(world_.random().below(3)),
                       .rounds = world_.chance(0.2) ? 3 : 1};
    auto* engine = replica->engine.get();
    const auto type = world_.chance(0.2) ? RandomProgram::kHastyType : RandomProgram::kType;
    auto record = engine->make_record({.type = std::string(type),
                                       .resource_type = "test",
                                       .resource_id = "r" + std::to_string(asked_),
                                       .triggered_by = "usr_test",
                                       .owner_id = "usr_test",
                                       .input = json::to_value(input),
                                       .ticket = choose_ticket()});
    auto run = std::make_shared<RunId>();
    replica->process->write([record, run](store::Transaction& tx) { *run = journal::insert_run(tx, record); },
                            [this, engine, record, run](std::exception_ptr failure) {
                              if (failure) return;
                              acknowledged_.insert(run->str());
                              if (*run == record.id) engine->launch(record);
                              if (world_.chance(0.3)) plan_cancel(*run);
                            });
  }

  // Through any replica, whoever has the run.
  void plan_cancel(const RunId& run) {
    world_.at(world_.now() + Duration(std::int64_t(world_.random().below(10'000))), [this, run] {
      auto* replica = any_joined();
      if (replica == nullptr) return plan_cancel(run);
      tell(replica->process.get(), "is asked to cancel " + run.str());
      replica->engine->cancel(run, "usr_test", [](std::exception_ptr) {});
    });
  }

  // ---- the outside that sends the signals which programs ask for, each until it is acknowledged, now and then twice

  struct Sending {
    AskedSignals asked;
    std::int64_t next = 0;
  };

  void plan_send(const std::shared_ptr<Sending>& sending) {
    if (sending->next < sending->asked.count)
      world_.at(world_.now() + Duration(std::int64_t(world_.random().below(3'000))),
                [this, sending, i = sending->next] { send(sending, i); });
  }

  void send(const std::shared_ptr<Sending>& sending, std::int64_t i) {
    if (sending->next != i) return;
    auto* replica = any_joined();
    if (replica == nullptr) return plan_send(sending);
    const auto& asked = sending->asked;
    const auto once = [&](auto done) {
      replica->engine->signal(RunId(asked.run),
                              {.name = asked.name, .key = asked.name + "/" + std::to_string(i), .payload = i}, done);
    };
    once([this, sending, i](std::exception_ptr failure) {
      const bool ended = failure && base::as_error(failure).error_class() != base::ErrorClass::transient;
      if (failure && !ended) return;  // sent again below
      if (sending->next == i) ++sending->next;
      if (!ended) plan_send(sending);
    });
    if (world_.chance(0.2)) once([](std::exception_ptr) {});
    world_.at(world_.now() + Duration(10'000), [this, sending, i] { send(sending, i); });  // no answer came
  }

  bool is_settled(std::int64_t steps) {
    if (steps % 50 != 0 || asked_ < kRuns || world_.disk().in_transaction()) return false;
    return unfinished().empty();
  }

  std::string unfinished() {
    std::string names;
    world_.disk().read([&](store::Transaction& tx) {
      for (const auto& row :
           tx.query("SELECT id, replica_id, wake_at, parked_reason FROM runs WHERE completed_at IS NULL"))
        names += row.text(0) + " of " + row.text_or_null(1).value_or("nobody") + " " +
                 row.text_or_null(3).value_or("") + "; ";
    });
    return names;
  }

  // After every commit of anybody.
  void check_commit(SimulatedWorld::Process& process) {
    ++result_.commits;
    world_.disk().read([&](store::Transaction& tx) {
      for (const auto& row : tx.query("SELECT id FROM runs WHERE completed_at IS NULL AND replica_id IS NULL AND "
                                      "wake_at IS NULL AND parked_reason IS NULL AND status <> 'pending'"))
        fail("nobody will ever wake " + row.text(0));
      for (const auto& row : tx.query("SELECT id FROM runs WHERE completed_at IS NULL AND replica_id NOT IN "
                                      "(SELECT id FROM replicas UNION SELECT id FROM departed_replicas)"))
        fail("nobody will ever take over " + row.text(0));
      queue_checks_.check(tx);
      const auto replica =
          std::ranges::find_if(replicas_, [&](const Replica& r) { return r.process.get() == &process; });
      for (const auto& row :
           tx.query("SELECT e.rowid, e.run_id, r.replica_id, e.seq, e.type, e.step FROM run_events e JOIN runs r ON "
                    "r.id = e.run_id WHERE e.rowid > $1",
                    {last_event_})) {
        last_event_ = std::max(last_event_, row.integer(0));
        tell(&process,
             "commits " + row.text(1) + " " + std::to_string(row.integer(3)) + " " + row.text(4) + " " + row.text(5));
        const auto owner = row.text_or_null(2);
        if (owner && replica != replicas_.end() && *owner != replica->engine->replica().str())
          fail("a replica wrote the journal of another's run: " + row.text(1));
      }
    });
  }

  void fail(std::string violation) {
    tell(nullptr, "VIOLATED: " + violation);
    effects_.violations.push_back(std::move(violation));
  }

  void tell(const SimulatedWorld::Process* who, const std::string& what) {
    if (trace_ == nullptr) return;
    std::string name = "world";
    for (std::size_t i = 0; i < replicas_.size(); ++i)
      if (who != nullptr && replicas_[i].process.get() == who) name = "hub-" + std::to_string(i);
    *trace_ << base::format_rfc3339(world_.now()).substr(11, 12) << "  " << name << "  " << what << "\n";
  }

  std::string digest() {
    std::string all;
    world_.disk().read([&](store::Transaction& tx) {
      for (const auto& row : tx.query("SELECT run_id, seq, type, at, step, data FROM run_events ORDER BY run_id, seq"))
        all += row.text(0) + std::to_string(row.integer(1)) + row.text(2) + std::to_string(row.integer(3)) +
               row.text(4) + row.text(5);
    });
    return base::sha256_hex(all);
  }

  void check() {
    world_.disk().read([&](store::Transaction& tx) {
      for (const auto& run : acknowledged_)
        if (!journal::find(tx, RunId(run))) fail("an acknowledged run is lost: " + run);
      for (const auto& found : tx.query("SELECT id FROM runs ORDER BY id")) {
        const RunId run(found.text(0));
        check_program(tx, *journal::find(tx, run), journal::events(tx, run), effects_);
      }
      for (const auto& row : tx.query("SELECT run_id, i FROM test_counts GROUP BY run_id, i HAVING COUNT(*) > 1"))
        fail("a transaction was committed twice in " + row.text(0));
    });
  }

  SimulatedWorld world_;
  Effects effects_;
  base::IdGenerator ids_{world_, world_.random()};
  const bool liveness_;
  std::ostream* trace_;
  SimulationResult result_;
  std::vector<Replica> replicas_;
  std::set<std::size_t> abandoned_;
  int asked_ = 0;
  int crashes_ = 0;
  std::int64_t last_event_ = 0;
  std::set<std::string> acknowledged_;
  QueueChecks queue_checks_{[this](std::string violation) { fail(std::move(violation)); }};
};

}  // namespace

SimulationResult simulate(std::uint64_t seed, std::ostream* trace) { return Simulation(seed, trace).run(); }

}  // namespace slipway::durable::testing
