#include "runner/testing/simulation.h"

#include <stdlib.h>

#include <filesystem>
#include <memory>

#include "base/digest.h"
#include "runner/daemon.h"
#include "runner/testing/simulated_link.h"
#include "runner/testing/simulated_session.h"

namespace slipway::runner::testing {

using base::Duration;
using fleet::JobType;
using std::chrono::minutes;
using std::chrono::seconds;

namespace {

class Folder {
 public:
  Folder() {
    std::string pattern = std::filesystem::temp_directory_path() / "runner-XXXXXX";
    if (!::mkdtemp(pattern.data())) throw base::system_error("make a folder", errno);
    path_ = pattern;
  }
  ~Folder() { std::filesystem::remove_all(path_); }
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

constexpr Duration kForceBound{10'000};

class NoFiles final : public TemplateFiles {
 public:
  void unpack(const std::string&, const std::string&) const override {}
  TemplateFacts facts(const std::string&) const override { return {}; }
};

// A machine with a daemon, from its boot to its loss or the daemon's end.
struct Machine {
  std::int64_t number = 0;  // among all that were ever booted
  std::unique_ptr<SimulatedWorld::Process> process;
  std::unique_ptr<SimulatedLink> link;
  std::shared_ptr<SimulatedProvisioner> provisioner;
  std::unique_ptr<ArchiveCache> archives;
  std::unique_ptr<Daemon> daemon;
  bool ended = false, stalled = false;

  ~Machine() {
    daemon.reset();
    archives.reset();
    link.reset();
  }
};

class Simulation {
 public:
  explicit Simulation(std::uint64_t seed) : world_(seed), hub_(world_) {
    auto& random = world_.random();
    faulty_ = world_.chance(0.7);
    hub_.times.force_cancel_interval_ms = seconds(20 + std::int64_t(random.below(40)));
    if (faulty_) choose_faults();
    if (world_.chance(0.2)) habits_ = {.storm = 0.6, .flood = 0.05};
    habits_.locks_state = world_.chance(0.4);
    const auto jobs = 1 + random.below(4);
    for (std::uint64_t i = 0; i < jobs; ++i) add_job(i);
    const auto machines = 1 + random.below(2);
    machines_.resize(machines);
    for (std::size_t i = 0; i < machines; ++i) boot(i);
    if (world_.chance(0.3)) plan_forgetting();
    if (world_.chance(0.3)) plan_restart();
    if (faulty_ && world_.chance(0.1)) plan_removal_of_a_key();
  }

  SimulationResult run(std::uint64_t seed) {
    const auto end = world_.now() + std::chrono::hours(3);
    const auto calm = world_.now() + minutes(20);  // then faults end, so that everything can
    while (!hub_.all_ended() && world_.now() < end) {
      if (world_.now() > calm) make_calm();
      world_.step();
    }
    if (!hub_.all_ended()) hub_.violation("not every job has ended");
    drain_all();
    return result(seed);
  }

 private:
  void choose_faults() {
    auto& random = world_.random();
    const auto some = [&](double most) { return world_.chance(0.5) ? random.fraction() * most : 0.0; };
    hub_.faults = {.request_lost = some(0.1),
                   .answer_lost = some(0.1),
                   .doubled = some(0.1),
                   .slow = some(0.1),
                   .delay_max = Duration(world_.chance(0.3) ? 2'000 : 20)};
    if (world_.chance(0.5)) plan_outage();
    if (world_.chance(0.4)) plan_cut();
    if (world_.chance(0.2)) plan_stall();
    kills_left_ = world_.chance(0.4) ? 1 + int(random.below(3)) : 0;
    if (kills_left_ > 0) plan_kill();
  }

  std::int64_t some_machine() { return machines_[world_.random().below(machines_.size())]->number; }

  // If it is still there.
  template <class Do>
  void on(std::int64_t number, Do then) {
    for (auto& machine : machines_)
      if (machine && machine->number == number) then(*machine);
  }

  base::Instant some_time(std::uint64_t most_seconds) {
    return world_.now() + Duration(std::int64_t(world_.random().below(most_seconds * 1'000)));
  }

  void plan_outage() {
    world_.at(some_time(60), [this] {
      hub_.set_down(true);
      world_.at(some_time(90), [this] { hub_.set_down(false); });
    });
  }

  // One daemon cannot reach the hub for a while: the hub thinks it dead, and it is not.
  void plan_cut() {
    world_.at(some_time(60), [this] {
      const auto machine = some_machine();
      const auto cut = [this, machine](bool is_cut) {
        on(machine, [is_cut](Machine& it) { it.provisioner->surroundings().cut = is_cut; });
      };
      cut(true);
      world_.at(some_time(90), [cut] { cut(false); });
    });
  }

  // It stands still, and knows nothing of it.
  void plan_stall() {
    world_.at(some_time(60), [this] {
      on(some_machine(), [this](Machine& it) {
        it.process->pause_until(some_time(90));
        it.stalled = true;
      });
    });
  }

  void plan_kill() {
    world_.at(some_time(60), [this] {
      ++kills_;
      const auto which = world_.random().below(machines_.size());
      machines_[which]->provisioner->surroundings().outlived = world_.chance(0.5);
      machines_[which].reset();
      boot(which);
      if (--kills_left_ > 0) plan_kill();
    });
  }

  void plan_forgetting() {
    world_.at(some_time(60), [this] {
      hub_.forget_daemons();
      if (world_.chance(0.3)) plan_forgetting();
    });
  }

  // It ends by itself, and one with another key takes its place.
  void plan_removal_of_a_key() {
    world_.at(some_time(60), [this] {
      const auto which = world_.random().below(machines_.size());
      machines_[which]->link->refuse();
      replace_when_ended(which);
    });
  }

  // A drain, a cancel, or worse, and a new daemon in its place.
  void plan_restart() {
    if (world_.chance(0.5)) return world_.at(some_time(60), [this] { restart(some_machine()); });
    restart_at_grant(world_.random().below(3));
  }

  // While it is on its way. `passed`: how many are let by.
  void restart_at_grant(std::uint64_t passed) {
    hub_.on_next_grant = [this, passed](std::int64_t machine) {
      if (passed > 0) return restart_at_grant(passed - 1);
      world_.at(world_.now(), [this, machine] { restart(machine); });
    };
  }

  void restart(std::int64_t number) {
    for (std::size_t which = 0; which < machines_.size(); ++which) {
      if (machines_[which]->number != number) continue;
      stop(*machines_[which]);
      // Where nothing is lost, the hub knows it soon.
      if (!faulty_)
        world_.at(world_.now() + seconds(1),
                  [this, which, number] { on(number, [&](Machine&) { hub_.note_stopped(name_of(which)); }); });
      replace_when_ended(which);
    }
  }

  void stop(Machine& machine) {
    const auto how = world_.random().below(3);
    machine.process->post([&machine, how] {
      machine.provisioner->surroundings().stopping = how > 0;
      machine.provisioner->surroundings().forced = how == 2;
      if (how == 0) machine.daemon->drain();
      if (how == 1) machine.daemon->cancel();
      if (how == 2) machine.daemon->force(kForceBound);
    });
    if (how == 2) expect_end_soon(machine.number);
  }

  // Of one that is stopped by force, whatever it still has to do, and whoever hears it.
  void expect_end_soon(std::int64_t machine) {
    world_.at(world_.now() + kForceBound + seconds(3), [this, machine] {
      on(machine, [this](Machine& it) {
        if (!it.ended && !it.stalled) hub_.violation("a daemon that is stopped by force does not end");
      });
    });
  }

  void replace_when_ended(std::size_t which) {
    world_.at(world_.now() + seconds(1), [this, which] {
      if (!machines_[which]->ended) return replace_when_ended(which);
      machines_[which].reset();
      boot(which);
    });
  }

  void add_job(std::uint64_t number) {
    const auto id = "job_" + std::to_string(number);
    const auto kind = world_.random().below(10);
    fleet::AcquiredJob job{.id = id, .provisioner = "simulated", .archive = base::sha256_hex("archive")};
    job.type = kind < 2 ? JobType::template_import : kind < 3 ? JobType::template_dry_run : JobType::workspace_build;
    if (world_.chance(0.2)) job.metadata.transition = fleet::Transition::destroy;
    if (world_.chance(0.1)) hub_.fail_quota_of(id);
    hub_.add(std::move(job), some_time(20));
    if (world_.chance(0.4)) world_.at(some_time(60), [this, id] { cancel(id); });
  }

  // RUN-9: where nothing is lost, a cancel is pushed within a second; else it comes with the answer to an update.
  void cancel(const std::string& id) {
    hub_.cancel(id);
    if (faulty_) return;
    if (const auto& job = hub_.jobs().at(id); hub_.knows(job.holder))
      world_.at(world_.now() + seconds(1), [this, id, fence = job.job.fence] {
        const auto& seen = hub_.witnessed(id, fence);
        if (seen.busy && !seen.cancel_told) hub_.violation(id + ": a cancel was not pushed");
      });
    world_.at(world_.now() + hub_.times.update_interval_ms + seconds(2), [this, id] {
      const auto& job = hub_.jobs().at(id);
      if (job.status != SimulatedHub::Job::Status::running || job.cleaned_up.contains(job.job.fence)) return;
      const auto& seen = hub_.witnessed(id, job.job.fence);
      if (!seen.cancel_told && !seen.succeeded) hub_.violation(id + ": a cancel was not acted on");
    });
  }

  static std::string name_of(std::size_t which) { return "d" + std::to_string(which); }

  void boot(std::size_t which) {
    hub_.note_started(name_of(which));
    auto machine = std::make_unique<Machine>(++boots_);
    auto& process = *(machine->process = world_.boot());
    machine->provisioner = std::make_shared<SimulatedProvisioner>(world_, hub_, habits_);
    machine->link =
        std::make_unique<SimulatedLink>(world_, process, hub_, boots_, machine->provisioner->surroundings());
    // A machine that comes back finds what it had kept, whatever moment it was lost at.
    machine->archives = std::make_unique<ArchiveCache>(
        process, process, *machine->link,
        ArchiveCacheOptions{.folder = folder_.path() + "/archives-" + std::to_string(which)}, observe::silent_logger(),
        nullptr);
    DaemonOptions options{.name = name_of(which),
                          .version = "1",
                          .runners = 1 + world_.random().below(2),
                          .work_directory = folder_.path() + "/" + std::to_string(boots_),
                          .job = {.hub_url = "http://hub"}};
    Provisioners provisioners{{"simulated", machine->provisioner}};
    machine->daemon =
        std::make_unique<Daemon>(RunnerTools{.loop = process,
                                             .workers = process,
                                             .clock = process,
                                             .random = world_.random(),
                                             .hub = *machine->link,
                                             .archives = *machine->archives,
                                             .files = files_,
                                             .logger = observe::silent_logger()},
                                 std::move(provisioners), std::move(options),
                                 [ended = &machine->ended](std::optional<base::Error>) { *ended = true; });
    process.post([daemon = machine->daemon.get(), drains = draining_] {
      daemon->start();
      if (drains) daemon->drain();
    });
    machines_[which] = std::move(machine);
  }

  // What hangs by itself is cancelled by somebody in the end.
  void make_calm() {
    hub_.faults = {};
    hub_.set_down(false);
    for (const auto& [id, job] : hub_.jobs()) {
      if (job.job.cancelled) continue;
      const bool runs = job.status == SimulatedHub::Job::Status::running;
      if (!faulty_ && runs && hub_.witnessed(id, job.job.fence).state_missed)
        hub_.violation(id + ": still held by a state that was missed");
      hub_.cancel(id);
    }
  }

  void drain_all() {
    make_calm();
    draining_ = true;  // also of those that are still to come in the place of a machine that was killed
    for (auto& machine : machines_) machine->process->post([daemon = machine->daemon.get()] { daemon->drain(); });
    const auto end = world_.now() + minutes(30);
    const auto done = [&] {
      return std::ranges::all_of(machines_, [](const auto& machine) { return machine->ended; });
    };
    while (!done() && world_.now() < end) world_.step();
    if (!done()) hub_.violation("a daemon does not end");
  }

  SimulationResult result(std::uint64_t seed) {
    if (!faulty_ && hub_.leases_lost > 0) hub_.violation("a lease was lost although nothing went wrong");
    if (!faulty_ && hub_.registrations > boots_ + hub_.forgotten)
      hub_.violation("daemons registered again although nobody had forgotten them");
    SimulationResult result{.seed = seed,
                            .violations = hub_.violations(),
                            .calls = hub_.calls,
                            .leases_lost = hub_.leases_lost,
                            .salvages = hub_.salvages,
                            .salvaged = hub_.salvaged,
                            .requeued = hub_.requeued,
                            .kills = kills_};
    for (const auto& [id, job] : hub_.jobs()) {
      if (!job.outcome) continue;
      result.succeeded += *job.outcome == fleet::JobStatus::succeeded;
      result.failed += *job.outcome == fleet::JobStatus::failed;
      result.cancelled += *job.outcome == fleet::JobStatus::cancelled;
    }
    return result;
  }

  Folder folder_;
  NoFiles files_;
  SimulatedWorld world_;
  SimulatedHub hub_;
  SessionHabits habits_;
  std::vector<std::unique_ptr<Machine>> machines_;
  bool faulty_ = false;
  bool draining_ = false;
  int kills_left_ = 0;
  std::int64_t boots_ = 0, kills_ = 0;
};

}  // namespace

SimulationResult simulate(std::uint64_t seed) { return Simulation(seed).run(seed); }

}  // namespace slipway::runner::testing
