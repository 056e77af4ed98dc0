#pragma once
// One job on a hub and a provisioner that a test plays by hand; time stands still but for what the test lets pass.

#include <gtest/gtest.h>
#include <stdlib.h>

#include <filesystem>
#include <fstream>

#include "base/digest.h"
#include "durable/testing/simulated_world.h"
#include "runner/job_runner.h"

namespace slipway::runner {

using base::Error;
using base::ErrorClass;
using durable::testing::SimulatedWorld;
using fleet::JobPhase;
using fleet::LogSource;
using provisioner::ApplyComplete;
using provisioner::ParseComplete;
using provisioner::PlanComplete;
using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;

// Answers at once, unless a test holds answers back or says what is to be answered.
class PlayedHub final : public HubLink {
 public:
  explicit PlayedHub(base::EventLoop& loop) : loop_(loop) {}

  void register_daemon(fleet::RegisterDaemon, Reply<fleet::DaemonRegistered>) override {}
  void acquire(fleet::AcquireJob, Reply<fleet::JobAcquired>) override {}
  void wait_for_cancels(fleet::WaitForCancels, Reply<fleet::CancelledJobs>) override {}
  void say_goodbye(std::string, Reply<void>) override {}

  void update(std::string, fleet::JobUpdate update, base::Duration bound, Reply<fleet::JobUpdated> reply) override {
    events.push_back("update");
    bounds.push_back(bound);
    phases.push_back(update.phase);
    if (update.parsed) parsed = update.parsed;
    if (hold_updates) return held.push_back(std::move(reply));
    if (update_failure) return answer(std::move(reply), std::unexpected(*update_failure));
    for (std::size_t i = 0; i < update.logs.size(); ++i)
      if (update.first_log + std::int64_t(i) == std::int64_t(lines.size())) lines.push_back(update.logs[i]);
    answer(std::move(reply),
           fleet::JobUpdated{.cancelled = cancelled,
                             .next_log = std::int64_t(lines.size()),
                             .variables = update.parsed ? variables : std::vector<fleet::NamedValue>{}});
  }
  void commit_quota(std::string, fleet::CommitQuota request, Reply<fleet::QuotaCommitted> reply) override {
    events.push_back("quota " + std::to_string(request.daily_cost));
    answer(std::move(reply), quota);
  }
  void complete(std::string, fleet::CompletedJob outcome, Reply<fleet::JobEnded> reply) override {
    events.push_back("complete");
    completed = outcome;
    terminal(std::move(reply));
  }
  void fail(std::string, fleet::FailedJob outcome, Reply<fleet::JobEnded> reply) override {
    events.push_back("fail " + outcome.code);
    failed = outcome;
    terminal(std::move(reply));
  }
  void get_blob(std::string hash, std::string file, Reply<void> reply) override {
    fetched.push_back(hash);
    if (hold_archives) return held_archives.push_back({std::move(file), std::move(reply)});
    if (!file_failures.empty()) {
      const auto failure = file_failures.front();
      file_failures.erase(file_failures.begin());
      return answer<void>(std::move(reply), std::unexpected(failure));
    }
    give_archive(std::move(file), std::move(reply), archives.contains(hash) ? archives.at(hash) : "archive");
  }
  void get_state(std::string, std::int64_t, std::string file, Reply<void> reply) override {
    std::ofstream(file) << state;
    answer(std::move(reply), {});
  }
  void put_state(std::string, std::int64_t, std::string file, Reply<std::string> reply) override {
    std::ifstream in(file);
    state.assign(std::istreambuf_iterator<char>(in), {});
    events.push_back("state " + state);
    answer(std::move(reply), base::sha256_hex(state));
  }
  std::string state_address(const std::string& job) const override { return "http://hub/states/" + job; }

  void give_archive(const std::string& file, Reply<void> reply, const std::string& content = "archive") {
    std::ofstream(file) << content;
    answer(std::move(reply), {});
  }

  std::vector<std::string> outputs() const {
    std::vector<std::string> all;
    for (const auto& line : lines) all.push_back(line.output);
    return all;
  }
  std::vector<std::string> stages() const {
    std::vector<std::string> all;
    for (const auto& line : lines)
      if (all.empty() || all.back() != line.stage) all.push_back(line.stage);
    return all;
  }
  std::size_t count(const std::string& event) const { return std::size_t(std::ranges::count(events, event)); }

  std::vector<std::string> events;
  std::vector<base::Duration> bounds;
  std::vector<JobPhase> phases;
  std::vector<fleet::LogLine> lines;
  std::vector<Reply<fleet::JobUpdated>> held;
  struct HeldArchive {
    std::string file;
    Reply<void> reply;
  };
  std::vector<HeldArchive> held_archives;
  std::map<std::string, std::string> archives;  // by hash; of others the content is "archive"
  std::vector<std::string> fetched;             // hashes
  std::vector<fleet::NamedValue> variables;
  std::optional<fleet::ParsedTemplate> parsed;
  std::optional<Error> update_failure;
  std::vector<Error> terminal_failures;  // of the next attempts
  std::vector<Error> file_failures;      // likewise
  fleet::QuotaCommitted quota;
  std::optional<fleet::CompletedJob> completed;
  std::optional<fleet::FailedJob> failed;
  std::string state;
  bool hold_updates = false, hold_archives = false, cancelled = false;

 private:
  template <class T>
  void answer(Reply<T> reply, std::type_identity_t<std::expected<T, Error>> value) {
    loop_.post([reply = std::move(reply), value = std::move(value)]() mutable { reply(std::move(value)); });
  }
  void terminal(Reply<fleet::JobEnded> reply) {
    if (terminal_failures.empty()) return answer<fleet::JobEnded>(std::move(reply), fleet::JobEnded{});
    const auto failure = terminal_failures.front();
    terminal_failures.erase(terminal_failures.begin());
    answer<fleet::JobEnded>(std::move(reply), std::unexpected(failure));
  }
  base::EventLoop& loop_;
};

// A session that notes what it is told; the test says what it answers.
struct Played {
  provisioner::SessionEvents events;
  std::vector<std::string> told;
  provisioner::Config config;
  std::vector<provisioner::Plan> plans;
  bool paused = false, open = false;
  bool closes = true;  // when it is asked to, gently
};

class PlayedSession final : public provisioner::Session {
 public:
  explicit PlayedSession(Played& played) : played_(played) { played_.open = true; }
  void send(provisioner::Request request) override {
    if (const auto* config = std::get_if<provisioner::Config>(&request)) played_.config = *config;
    if (const auto* plan = std::get_if<provisioner::Plan>(&request)) played_.plans.push_back(*plan);
    constexpr std::array<const char*, 5> kNames{"config", "parse", "plan", "apply", "cancel"};
    played_.told.push_back(kNames[request.index()]);
  }
  void pause(bool paused) override { played_.paused = paused; }
  void close(bool force) override {
    played_.told.push_back(force ? "kill" : "close");
    if (!std::exchange(played_.open, played_.open && !force && !played_.closes)) return;
    if (!played_.open) played_.events.on_closed(std::nullopt);
  }

 private:
  Played& played_;
};

class PlayedProvisioner final : public provisioner::Provisioner {
 public:
  explicit PlayedProvisioner(Played& played) : played_(played) {}
  std::string_view type() const override { return "played"; }
  void check() const override {}
  std::unique_ptr<provisioner::Session> open(provisioner::SessionEvents events) override {
    played_.events = std::move(events);
    return std::make_unique<PlayedSession>(played_);
  }

 private:
  Played& played_;
};

class PlayedFiles final : public TemplateFiles {
 public:
  void unpack(const std::string&, const std::string&) const override {
    if (failure) throw *failure;
    if (failures.empty()) return;
    const auto next = failures.front();
    failures.erase(failures.begin());
    throw next;
  }
  TemplateFacts facts(const std::string&) const override { return given; }
  std::optional<Error> failure;         // of every attempt
  mutable std::vector<Error> failures;  // of the next ones
  TemplateFacts given;
};

class AJob : public ::testing::Test {
 protected:
  static std::string make_folder() {
    std::string pattern = std::filesystem::temp_directory_path() / "job-runner-XXXXXX";
    return ::mkdtemp(pattern.data());
  }
  AJob() {
    world_.faults().delay_max = milliseconds(1);
    job_ = {.id = "job_1",
            .fence = 3,
            .provisioner = "played",
            .archive = base::sha256_hex("archive"),
            .state_token = "token-of-state"};
    build();
  }
  ~AJob() override {
    runner_.reset();
    std::filesystem::remove_all(folder_);
  }

  void build(fleet::Transition transition = fleet::Transition::start) {
    job_.type = fleet::JobType::workspace_build;
    job_.metadata.transition = transition;
  }

  void start(bool with_provisioner = true) {
    options_.directory = folder_ + "/job_1-3";
    options_.hub_url = "http://hub";
    runner_ = std::make_unique<JobRunner>(RunnerTools{.loop = *process_,
                                                      .workers = *process_,
                                                      .clock = *process_,
                                                      .random = world_.random(),
                                                      .hub = hub_,
                                                      .archives = archives_,
                                                      .files = files_,
                                                      .logger = observe::silent_logger()},
                                          with_provisioner ? std::make_shared<PlayedProvisioner>(played_) : nullptr,
                                          job_, options_, [this](JobRunner::Result result) { result_ = result; });
    runner_->start();
    pass(seconds(1));
  }
  // To the first request.
  void start_session(provisioner::Hello hello = {.provisioner = "played", .repeatable = true}) {
    start();
    say(hello);
  }
  void pass(base::Duration time) {
    const auto until = world_.now() + time;
    bool over = false;
    world_.at(until, [&over] { over = true; });
    while (!over && world_.step()) {
    }
  }
  void say(provisioner::Message message, base::Duration then = seconds(1)) {
    played_.events.on_message(std::move(message));
    pass(then);
  }
  void log(const std::string& text) { say(provisioner::Log{.output = text}, milliseconds(0)); }
  std::string file(const std::string& content) {
    const auto path = folder_ + "/said-" + std::to_string(++files_said_);
    std::ofstream(path) << content;
    return path;
  }
  void to_apply(bool locks_state = false) {
    start_session({.provisioner = "played", .repeatable = !locks_state, .locks_state = locks_state});
    say(PlanComplete{});
    ASSERT_EQ(played_.told.back(), "apply");
  }
  // The order of RUN-7, whatever the outcome.
  void expect_proper_end() {
    ASSERT_TRUE(result_);
    EXPECT_EQ(hub_.lines.back().stage, "Cleaning Up");
    ASSERT_FALSE(hub_.events.empty());
    EXPECT_EQ(hub_.count("complete") + (hub_.failed ? 1 : 0), 1u);
    EXPECT_TRUE(hub_.events.back() == "complete" || hub_.events.back().starts_with("fail ")) << hub_.events.back();
    EXPECT_FALSE(played_.open);
    EXPECT_FALSE(std::filesystem::exists(options_.directory));
    const auto said = hub_.events.size();
    pass(minutes(30));
    EXPECT_EQ(hub_.events.size(), said) << "something was sent after the end";
  }

  SimulatedWorld world_{1};
  std::unique_ptr<SimulatedWorld::Process> process_ = world_.boot();
  std::string folder_ = make_folder();
  int files_said_ = 0;
  PlayedHub hub_{*process_};
  ArchiveCache archives_{*process_, *process_, hub_, {.folder = folder_ + "/archives"}, observe::silent_logger(),
                         nullptr};
  Played played_;
  PlayedFiles files_;
  fleet::AcquiredJob job_;
  JobOptions options_;
  std::optional<JobRunner::Result> result_;
  std::unique_ptr<JobRunner> runner_;
};

inline const Error kAway(ErrorClass::transient, "CONNECTION_FAILED", "away");
inline const Error kRefused(ErrorClass::user, "UNAUTHORIZED", "no such key");
inline const Error kLost(ErrorClass::conflict, "JOB_LEASE_LOST", "lost");

}  // namespace slipway::runner
