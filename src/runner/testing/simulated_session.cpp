#include "runner/testing/simulated_session.h"

#include <filesystem>
#include <fstream>

#include "runner/testing/simulated_backend.h"

namespace slipway::runner::testing {

using base::Duration;
using base::ErrorClass;
using namespace provisioner;

namespace {

class SimulatedSession final : public Session {
 public:
  SimulatedSession(SimulatedWorld& world, SimulatedHub& hub, SessionHabits habits,
                   std::shared_ptr<const Surroundings> surroundings, SessionEvents events)
      : body_(std::make_shared<Body>(world, hub, habits, std::move(surroundings), std::move(events))) {
    if (body_->surroundings->stopping) hub.violation("a session is opened although the daemon was told to stop");
    body_->after(Duration(10), [](Body& body) { body.greet(); });
  }
  ~SimulatedSession() override { body_->surroundings->outlived ? body_->live_on() : body_->vanish(); }
  void send(Request request) override { body_->take(std::move(request)); }
  void pause(bool paused) override {
    body_->paused = paused;
    if (!paused) body_->check_state_is_kept();
    if (!paused && body_->stalled) {
      body_->stalled = false;
      body_->after(Duration(1), [](Body& body) { body.step(); });
    }
  }
  void close(bool force) override { body_->close(force); }

 private:
  // Outlives the session where something of it is still queued.
  struct Body : std::enable_shared_from_this<Body> {
    SimulatedWorld& world;
    SimulatedHub& hub;
    SessionHabits habits;
    std::shared_ptr<const Surroundings> surroundings;
    SessionEvents events;
    std::string job;  // read from the folder's name
    std::int64_t fence = 0;
    std::string directory;
    bool repeatable = false, configured = false, planned = false;
    bool paused = false, stalled = false, ended = false, closing = false;
    std::optional<Request> request;
    int steps_left = 0;
    std::int64_t storm_left = 0;
    bool cancelled = false, ignores = false, hangs = false, finishes = false;
    int states = 0;

    std::shared_ptr<SimulatedBackend> backend;
    bool applied = false;                                  // an apply was begun
    bool makes = false;                                    // things, under the state's lock
    bool waits = false;                                    // for the hub, before or after that
    std::int64_t things = 0;                               // that it knows of
    std::optional<base::Instant> cancelled_at, closed_at;  // when it was told

    Body(SimulatedWorld& w, SimulatedHub& h, SessionHabits hb, std::shared_ptr<const Surroundings> s, SessionEvents e)
        : world(w), hub(h), habits(hb), surroundings(std::move(s)), events(std::move(e)) {}

    Witnessed& seen() { return hub.witnessed(job, fence); }

    void after(Duration delay, std::function<void(Body&)> then) {
      world.at(world.now() + delay, [self = shared_from_this(), then] {
        if (!self->ended) then(*self);
      });
    }
    void say(Message message) {
      if (events.on_message) events.on_message(std::move(message));
    }

    void greet() {
      repeatable = !habits.locks_state && world.chance(habits.repeatable);
      say(Hello{
          .provisioner = "simulated", .version = "1", .repeatable = repeatable, .locks_state = habits.locks_state});
    }

    void configure(const Config& config) {
      configured = true;
      directory = config.directory;
      const auto name = std::filesystem::path(directory).parent_path().filename().string();
      const auto dash = name.rfind('-');
      job = name.substr(0, dash);
      fence = std::stoll(name.substr(dash + 1));
      seen().opened = true;
      seen().locks_state = habits.locks_state;
      if (habits.locks_state) work_under_lock(config);
    }

    void take(Request next) {
      if (closing || ended) return;
      if (const auto* config = std::get_if<Config>(&next)) return configure(*config);
      if (std::holds_alternative<Cancel>(next)) return cancel();
      if (request) return hub.violation(job + ": two requests at once");
      if (std::holds_alternative<Apply>(next)) {
        if (!planned) hub.violation(job + ": an apply without a plan");
        const auto& record = hub.jobs().at(job);
        if (record.job.fence == fence && record.status == SimulatedHub::Job::Status::running &&
            record.phase < fleet::JobPhase::apply)
          hub.violation(job + ": an apply that the hub does not know of");
      }
      if (surroundings->stopping) hub.violation(job + ": something new is begun although the daemon was told to stop");
      request = std::move(next);
      cancelled = false;
      seen().busy = true;
      steps_left = int(world.random().below(backend && is_applying() ? 40 : 9));
      hangs = world.chance(habits.hangs);
      ignores = world.chance(habits.ignores_cancel);
      finishes = world.chance(habits.finishes_though_cancelled);
      applied = applied || is_applying();
      if (backend && is_applying()) return lock_state();
      next_step();
    }

    void next_step() {
      after(Duration(std::int64_t(world.random().below(std::uint64_t(habits.step_max.count()) + 1))),
            [](Body& body) { body.step(); });
    }

    bool is_applying() const { return request && std::holds_alternative<Apply>(*request); }

    // One thing after another, and nothing while paused.
    void step() {
      if (!request || waits) return;
      if (paused) {
        stalled = true;
        return;
      }
      if (storm_left > 0) {
        for (int i = 0; i < 50 && storm_left > 0 && !paused; ++i, --storm_left) log();
        return after(Duration(1), [](Body& body) { body.step(); });
      }
      if (cancelled && !ignores) return finish();
      if (steps_left-- > 0) {
        do_something();
        return next_step();
      }
      if (!hangs) finish();
    }

    void do_something() {
      if (world.chance(habits.flood))
        storm_left = 12'000;
      else if (world.chance(habits.storm))
        storm_left = std::int64_t(world.random().below(300));
      else
        log();
      if (makes && world.chance(habits.makes_things)) make_thing();
      if (is_applying() && !backend && world.chance(habits.writes_state))
        say_state(world.chance(habits.loses_state) ? miss_state() : write_state());
    }

    // RUN-12: what the state announces is not made before the state is kept.
    void say_state(std::string file) {
      say(StateWritten{std::move(file)});
      if (!paused && !closing) hub.violation(job + ": goes on although its state is not kept");
    }
    void check_state_is_kept() {
      if (!request || closing || backend) return;
      if (seen().state_missed || seen().state != seen().kept)
        hub.violation(job + ": a state counted as kept that was not");
    }

    void log() { say(Log{.output = "line " + std::to_string(seen().lines++)}); }

    // As on a full disk.
    std::string miss_state() {
      seen().state_missed = true;
      return directory + "/no-such-state";
    }

    std::string write_state() {
      const auto file = directory + "/state";
      seen().state = job + " " + std::to_string(fence) + " " + std::to_string(++states);
      std::ofstream(file) << seen().state;
      return file;
    }

    // ---- under the state's lock

    void work_under_lock(const Config& config) {
      backend = std::make_shared<SimulatedBackend>(
          world, hub, job, fence, [around = surroundings] { return around->cut && !around->outlived; },
          [weak = weak_from_this()] {
            if (const auto self = weak.lock()) self->interrupt();
          });
      if (config.state_file.empty()) return;
      std::ifstream state(config.state_file);
      std::string whose;
      state >> whose >> things;
    }

    void lock_state() {
      waits = true;
      backend->lock([self = shared_from_this()] { self->begin_to_make(); });
    }

    void begin_to_make() {
      waits = false;
      makes = seen().applies = !backend->is_lost();
      if (makes && things != hub.jobs().at(job).things)
        hub.violation(job + ": an apply begins without all that was made");
      next_step();
    }

    void make_thing() {
      ++hub.jobs().at(job).things;
      seen().state = job + " " + std::to_string(++things);
      backend->write(seen().state);
    }

    void let_go() {
      waits = true;
      backend->let_go([self = shared_from_this()] {
        self->waits = self->makes = false;
        self->finish();
      });
    }

    ApplyComplete applied_under_lock(std::optional<Problem> error) {
      if (!backend->is_lost()) return {.error = std::move(error), .state_in_backend = true};
      const auto file = directory + "/state";
      std::ofstream(file) << seen().state;
      return {.error = Problem{.code = "JOB_LEASE_LOST", .error_class = ErrorClass::conflict, .message = "lost"},
              .state_file = file};
    }

    // ---- the end

    void finish() {
      if (makes) return world.chance(habits.dies) ? died() : let_go();
      std::optional<Problem> error;
      if (cancelled && !ignores && !finishes)
        error = Problem{.code = "CANCELLED", .message = "interrupted"};
      else if (world.chance(habits.fails))
        error = Problem{.code = "TERRAFORM_FAILED", .message = "it broke"};
      else if (world.chance(habits.dies))
        return died();
      const auto done = std::exchange(request, std::nullopt);
      seen().busy = false;
      if (std::holds_alternative<Parse>(*done)) {
        say(ParseComplete{.error = error, .parsed = {}});
      } else if (std::holds_alternative<Plan>(*done)) {
        planned = !error;
        const std::int64_t cost = world.chance(0.5) ? 3 : 0;
        say(PlanComplete{.error = error, .resources = {{.address = "a.b", .daily_cost = cost}}, .parameters = {}});
      } else if (backend) {
        auto complete = applied_under_lock(error);
        seen().succeeded = !complete.error;
        say(std::move(complete));
      } else {
        seen().succeeded = !error;
        const auto file = write_state();
        say(ApplyComplete{.error = error, .resources = {}, .outputs = {}, .state_file = file});
      }
      if (closing) closed(std::nullopt);
    }

    void died() { closed(base::Error(ErrorClass::internal, "PROVISIONER_DIED", "simulated")); }

    void cancel() {
      if (!request || cancelled) return;
      seen().cancel_told = true;
      cancelled_at = world.now();
      interrupt();
    }

    void interrupt() {
      cancelled = true;
      if (ignores) return;
      hangs = false;
      steps_left = std::min(steps_left, int(world.random().below(3)));
      next_step();
    }

    void close(bool force) {
      if (ended) return;
      const bool first = !std::exchange(closing, true);
      if (force) {
        if (makes && !may_be_killed()) hub.violation(job + ": killed in its apply, before its time");
        if (configured) seen().killed = true;
        cut_off();
        return after(Duration(5), [](Body& body) { body.closed(std::nullopt); });
      }
      if (!first) return;
      closed_at = world.now();
      if (backend && applied) seen().ends = true;
      if (request) return cancel();
      after(Duration(5), [](Body& body) {
        if (!body.request) body.closed(std::nullopt);
      });
    }

    // What it makes is in no state yet: so only by force, or once it has had the time that it may take.
    bool may_be_killed() const {
      const auto is_over = [this](auto since, Duration bound) { return since && world.now() - *since >= bound; };
      return surroundings->forced || is_over(cancelled_at, hub.times.force_cancel_interval_ms) ||
             is_over(closed_at, kEndBound);
    }

    // It is in the middle of an apply that cannot be repeated: what it makes at this moment may be in no state.
    void cut_off() {
      if (backend) backend->stop();
      if (configured) seen().busy = false;
      if (!configured || repeatable || !(backend ? seen().applies : is_applying())) return;
      seen().cut_off = true;
      seen().applies = false;
      if (backend) seen().state = seen().kept;
    }

    // With its machine.
    void vanish() {
      if (!std::exchange(ended, true)) cut_off();
    }

    // Its daemon is dead, which it sees: it ends as if it had been asked to, and its states reach the hub.
    void live_on() {
      if (!makes || ended) return vanish();
      events = {};
      closing = true;
      ignores = paused = false;
      interrupt();
    }

    void closed(std::optional<base::Error> error) {
      if (std::exchange(ended, true)) return;
      if (configured) seen().closed = true;
      cut_off();
      if (events.on_closed) events.on_closed(std::move(error));
    }
  };

  std::shared_ptr<Body> body_;
};

}  // namespace

std::unique_ptr<Session> SimulatedProvisioner::open(SessionEvents events) {
  return std::make_unique<SimulatedSession>(world_, hub_, habits_, surroundings_, std::move(events));
}

}  // namespace slipway::runner::testing
