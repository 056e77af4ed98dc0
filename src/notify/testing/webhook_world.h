#pragma once
// A world for webhooks under test: a clock of the test's own, receivers that answer as told, hubs that deliver, and
// both databases.

#include <gtest/gtest.h>

#include <atomic>
#include <map>
#include <mutex>
#include <set>

#include "base/executor.h"
#include "fleet/change_feed.h"
#include "fleet/identity.h"
#include "net/testing/loop.h"
#include "notify/webhook_deliverer.h"
#include "notify/webhook_fan_out.h"
#include "notify/webhook_message.h"
#include "store/testing/postgres_cluster.h"
#include "store/testing/temporary_database.h"

namespace slipway::notify::testing {

using namespace std::chrono_literals;
using fleet::Delivery;
using fleet::DeliveryStatus;
using fleet::Scope;
using fleet::Webhook;
using fleet::WebhookStatus;
using store::Dialect;
using store::Transaction;

inline const base::Instant kStart = base::from_unix_ms(1'700'000'000'000);
inline const base::UserId kAlice{"usr_alice"}, kBob{"usr_bob"}, kAdmin{"usr_admin"};

class SetClock final : public base::Clock {
 public:
  base::Instant now() const override { return base::from_unix_ms(ms_.load()); }
  void advance(base::Duration by) { ms_ += by.count(); }

 private:
  std::atomic<std::int64_t> ms_{base::to_unix_ms(kStart)};
};

// What receivers get, and what they answer. Thread-safe.
class Receiver {
 public:
  struct Got {
    std::string id, url, body, signature;
  };
  std::function<net::ClientOutcome(const Got&)> answer = [](const Got&) { return net::ClientResponse{.status = 204}; };
  bool holds = false;  // answers wait for `let_go`

  Send send() {
    return [this](net::ClientRequest request, net::HttpClient::Callback callback) {
      const Got got{std::string(*request.headers.get("webhook-id")), request.url, request.body,
                    std::string(*request.headers.get("webhook-signature"))};
      const std::lock_guard lock(mutex_);
      got_.push_back(got);
      if (holds) {
        held_.push_back([answer = answer(got), callback = std::move(callback)]() mutable { callback(answer); });
      } else {
        callback(answer(got));
      }
    };
  }
  void let_go() {
    std::vector<base::Task> held;
    {
      const std::lock_guard lock(mutex_);
      held.swap(held_);
    }
    for (auto& task : held) task();
  }
  std::vector<Got> got() {
    const std::lock_guard lock(mutex_);
    return got_;
  }

 private:
  std::mutex mutex_;
  std::vector<Got> got_;
  std::vector<base::Task> held_;
};

inline net::ClientOutcome status(int code) { return net::ClientResponse{.status = code}; }

// One hub's part: a loop with a deliverer on it.
struct Replica {
  Replica(store::Database& database, const fleet::Sealer& sealer, const base::Clock& clock, Receiver& receiver,
          DelivererOptions options = {})
      : ids(clock, random),
        deliverer(loop.io(), database, sealer, clock, random, ids, metrics, log, receiver.send(), options),
        tasks(loop.io(), [](std::exception_ptr) { ADD_FAILURE() << "the deliverer ended by itself"; }) {
    loop.call([this] { tasks.spawn(deliverer.run()); });
  }
  ~Replica() {
    loop.call([this] { deliverer.stop(); });
    loop.await(tasks.join());
    loop.stop();
  }
  void wake() {
    loop.call([this] { deliverer.wake(); });
  }

  base::SystemRandom random;
  base::IdGenerator ids;
  observe::Registry metrics;
  observe::Logger log = observe::silent_logger();
  net::testing::LoopThread loop;
  WebhookDeliverer deliverer;
  net::TaskGroup tasks;
};

class Webhooks : public ::testing::TestWithParam<Dialect> {
 protected:
  Webhooks()
      : url_(GetParam() == Dialect::sqlite ? (folder_.path() / "slipway.db").string()
                                           : store::testing::PostgresCluster::shared().create_database()),
        database_(store::open(url_)) {
    write([](Transaction& tx) {
      fleet::insert_user(tx, {kAlice, "alice", fleet::Role::member, kStart});
      fleet::insert_user(tx, {kBob, "bob", fleet::Role::member, kStart});
      fleet::insert_user(tx, {kAdmin, "admin", fleet::Role::admin, kStart});
    });
  }

  void write(store::Work work) { database_->write_and_wait(std::move(work)); }
  template <class F>
  auto read(F query) {
    decltype(query(std::declval<Transaction&>())) result;
    database_->read_and_wait([&](Transaction& tx) { result = query(tx); });
    return result;
  }

  Webhook add(fleet::WebhookDefinition definition = {}, base::UserId owner = kAlice) {
    if (definition.url.empty()) definition.url = "https://example.com/hook";
    if (definition.event_types.empty()) definition.event_types = {"*"};
    Webhook webhook{.id = ids_.make<base::WebhookId>(),
                    .owner_id = std::move(owner),
                    .definition = std::move(definition),
                    .created_at = clock_.now(),
                    .updated_at = clock_.now()};
    const auto sealed = sealer_.seal(make_webhook_secret());
    write([&](Transaction& tx) {
      fleet::lock_webhooks(tx);
      fleet::insert_webhook(tx, webhook, sealed);
    });
    return webhook;
  }

  void tell(const std::string& resource, base::UserId owner = kAlice, int count = 1) {
    write([&](Transaction& tx) {
      for (int i = 0; i < count; ++i)
        fleet::record_change(tx, owner, "workspace.updated", resource, clock_.now(), json::Object{{"i", i}});
    });
  }

  std::vector<Delivery> deliveries(const Webhook& webhook, std::optional<DeliveryStatus> status = {}) {
    return read([&](Transaction& tx) {
      return fleet::list_deliveries(tx, webhook.id,
                                    {.status = status, .event_type = {}, .since = {}, .before = "", .limit = 100'000});
    });
  }
  std::size_t count(const Webhook& webhook, DeliveryStatus status) {
    return read([&](Transaction& tx) {
      return std::size_t(tx.query("SELECT COUNT(*) FROM webhook_deliveries WHERE endpoint_id = $1 AND status = $2",
                                  {webhook.id.str(), boost::describe::enum_to_string(status, "")})
                             .front()
                             .integer(0));
    });
  }
  Webhook stored(const Webhook& webhook) {
    return read([&](Transaction& tx) { return fleet::find_webhook(tx, Scope::everything("test"), webhook.id); })
        .value();
  }

  // Until it is so; gives up after a time that only a fault can take. Deliverers look by themselves each second.
  template <class Condition>
  void await(Condition condition) {
    for (int i = 0; i < 60'000; ++i) {
      if (condition()) return;
      std::this_thread::sleep_for(5ms);
    }
    FAIL() << "waited in vain";
  }
  // Lets time pass to when the next attempt of any delivery is due.
  void jump_to_next(const Webhook& webhook, Replica& replica) {
    base::Instant next = base::Instant::max();
    for (const auto& delivery : deliveries(webhook, DeliveryStatus::pending))
      if (delivery.due_at) next = std::min(next, *delivery.due_at);
    if (const auto hold = stored(webhook).health.hold_until) next = std::max(next, *hold);
    ASSERT_NE(next, base::Instant::max());
    if (next > clock_.now()) clock_.advance(next - clock_.now());
    replica.wake();
  }

  SetClock clock_;
  base::SystemRandom random_;
  base::IdGenerator ids_{clock_, random_};
  fleet::Sealer sealer_{base::Secret(std::string(32, 'k'))};
  Receiver receiver_;
  store::testing::TemporaryFolder folder_;
  const std::string url_;
  std::unique_ptr<store::Database> database_;
};
}  // namespace slipway::notify::testing
