// RUN-18: the numbers of jobs and daemons, read while they are counted. The store counts on threads of its own; so this
// is a test for a build that watches over races, too.

#include "app/job_sweeper.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <boost/asio/post.hpp>

#include "agent/hub.h"
#include "api/call.h"
#include "api/change_stream.h"
#include "api/doorbell.h"
#include "api/job_bells.h"
#include "base/random.h"
#include "net/event_loop.h"
#include "net/testing/loop.h"
#include "notify/webhook_deliverer.h"
#include "store/testing/temporary_database.h"

namespace slipway::app {
namespace {

using ::testing::HasSubstr;

// A hub in which nothing runs, wired as in hub_process.cpp.
struct IdleHub {
  store::testing::TemporaryFolder folder;
  base::SystemClock clock;
  base::SystemRandom random;
  base::IdGenerator ids{clock, random};
  observe::Logger log{{}, clock, [](std::string_view) {}};
  observe::Registry metrics;
  std::unique_ptr<store::Database> database = store::open((folder.path() / "slipway.db").string());
  fleet::Sealer sealer{base::Secret(std::string(32, 'k'))};
  net::IoContext io{1};
  net::AsioLoop loop{io, clock};
  net::WorkerPool workers{1};
  api::Doorbell run_bell{io};
  api::JobBells job_bells{io, *database};
  api::ChangeStream changes{io, *database, log};
  durable::Engine engine{*database, loop, workers, clock, random, ids};
  durable::Scheduler scheduler{*database, loop, clock, ids, engine};
  workflows::AgentPresence presence{[](const base::RunId&) {}};
  providers::Registry providers;
  workflows::Services services{*database, providers, sealer, presence, clock, {}, [](const base::RunId&) {}};
  notify::WebhookDeliverer webhooks{
      io, *database, sealer, clock, random, ids, metrics, log, [](net::ClientRequest, net::HttpClient::Callback) {}};
  agent::AgentHub agents{io, clock, {}};
  api::Hub hub{.io = io,
               .database = *database,
               .engine = engine,
               .scheduler = scheduler,
               .workflows = services,
               .agents = agents,
               .workers = workers,
               .clock = clock,
               .ids = ids,
               .sealer = sealer,
               .changes = changes,
               .run_bell = run_bell,
               .job_bells = job_bells,
               .webhooks = webhooks,
               .keys_in_progress = {},
               .key_cache = {},
               .daemon_key_cache = {},
               .metrics = metrics,
               .log = log,
               .version = "1"};
};

class JobSweeperTest : public ::testing::Test {
 protected:
  void insert(const std::string& id) {
    fleet::NewJob job{.id = base::JobId(id), .type = fleet::JobType::template_import, .provisioner = "terraform"};
    idle_.database->write_and_wait(
        [&](store::Transaction& tx) { fleet::insert_job(tx, idle_.sealer, job, idle_.clock.now()); });
  }
  static std::string waiting(int jobs) {
    return "slipway_provisioner_queue_length{priority=\"person\"} " + std::to_string(jobs) + "\n";
  }
  // Each reading has all classes of jobs, or, before the first look, none.
  static void check(const std::string& reading) {
    std::size_t classes = 0;
    for (auto at = reading.find("slipway_provisioner_queue_length{"); at != reading.npos; ++classes)
      at = reading.find("slipway_provisioner_queue_length{", at + 1);
    EXPECT_TRUE(classes == 0 || classes == 3) << reading;
  }
  // As somebody does who scrapes without a pause.
  net::Awaitable<void> read_until(std::string wanted) {
    for (std::string reading; reading.find(wanted) == reading.npos;) {
      co_await boost::asio::post(idle_.io, boost::asio::use_awaitable_t<net::Executor>());
      reading = idle_.metrics.expose();
      check(reading);
    }
  }
  net::Awaitable<void> read_while_it_counts() {
    net::TaskGroup tasks(idle_.io, [](std::exception_ptr) { ADD_FAILURE(); });
    tasks.spawn(sweeper_.run());
    co_await read_until(waiting(2));
    insert("job_3");
    co_await read_until(waiting(3));
    EXPECT_THAT(idle_.metrics.expose(), HasSubstr("slipway_provisioner_daemons{status=\"online\"} 0\n"));
    sweeper_.stop();
    co_await tasks.join();
  }

  IdleHub idle_;
  JobSweeper sweeper_{idle_.hub, {}};
};

TEST_F(JobSweeperTest, ItsNumbersCanBeReadWhileTheyAreCounted) {
  insert("job_1");
  insert("job_2");
  net::testing::run(idle_.io, read_while_it_counts());
}

}  // namespace
}  // namespace slipway::app
