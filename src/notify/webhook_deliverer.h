#pragma once
// Sends what endpoints are to hear (WF-12, WF-45): turns the feed of changes into deliveries, claims those that are
// due, sends them, and records what came of it. At least once, never two senders of one delivery at a time.
//
// Everything lies in tables; a deliverer keeps only what it is sending. Any replica may do any part: what it decides,
// it decides in a transaction that begins with the one lock. A claim runs out after kClaimFor, so what a killed replica
// was sending is sent again, under the same id.

#include <functional>
#include <limits>
#include <memory>
#include <optional>
#include <vector>

#include "base/id.h"
#include "base/random.h"
#include "fleet/sealer.h"
#include "fleet/webhook_delivery.h"
#include "net/address_guard.h"
#include "net/asio.h"
#include "net/http_client.h"
#include "observe/log.h"
#include "observe/metrics.h"
#include "store/store.h"

namespace slipway::notify {

inline constexpr base::Duration kAttemptTimeout = std::chrono::seconds(20);  // the standard asks for 15 to 30 s
inline constexpr base::Duration kClaimFor = std::chrono::seconds(40);        // longer than an attempt can take
inline constexpr std::size_t kAnswerReadMax = 64 << 10;                      // bytes of an answer's body
inline constexpr std::size_t kAnswerKeptMax = 4 << 10;                       // of it, and likewise of its headers
inline constexpr std::int64_t kSendingMax = 128;                             // at a time, by one replica
inline constexpr std::int64_t kSendingToOneMax = 16;  // to one endpoint, by all: a slow one must not take all places
// To all endpoints of one owner, by all: slow ones must not take all places from others.
inline constexpr std::int64_t kSendingToOwnerMax = 32;
// An endpoint for which more than this waits is disabled: its messages would fill the disk.
inline constexpr std::int64_t kBacklogMax = 100'000;
inline constexpr base::Duration kDeliveriesKept = std::chrono::hours(30 * 24);  // after their end

// How a request leaves; net::HttpClient::send, or a test's.
using Send = std::function<void(net::ClientRequest, net::HttpClient::Callback)>;

struct DelivererOptions {
  std::shared_ptr<const net::AddressGuard> guard = std::make_shared<const net::AddressGuard>();
  std::string user_agent = "Slipway-Webhooks";
  bool sole = false;  // nobody else uses this database: claims found at the start are those of a dead process
  // Up to where the feed of changes may be read (fleet/change_feed.h).
  std::function<std::int64_t()> settled = [] { return std::numeric_limits<std::int64_t>::max(); };
  std::function<void(bool)> on_steps_wanted = [](bool) {};  // whether an endpoint asks for steps, when that changes
};

// For the loop's thread. The references outlive it.
class WebhookDeliverer {
 public:
  WebhookDeliverer(net::IoContext& io, store::Database& database, const fleet::Sealer& sealer, const base::Clock& clock,
                   base::Random& random, base::IdGenerator& ids, observe::Registry& metrics, const observe::Logger& log,
                   Send send, DelivererOptions options = {});

  // Something may have changed: to be called after every commit that may have. Costs nothing while nobody listens.
  void look();
  // An endpoint or delivery was changed by somebody.
  void wake();
  // Runs until `stop`, and until what is being sent has ended; spawned by the owner.
  net::Awaitable<void> run();
  // What is being sent may end; nothing new begins.
  void stop();
  std::int64_t sending() const { return sending_; }
  const net::AddressGuard& guard() const { return *options_.guard; }

 private:
  struct Outlook;
  struct Order;
  struct Outcome;

  net::Awaitable<base::Duration> take_turn();
  net::Awaitable<void> inspect();
  net::Awaitable<void> forget_old(base::Instant now);
  net::Awaitable<bool> decide(base::Instant now, std::int64_t settled);
  void send(Order order);
  void record(const Order& order, Outcome outcome);
  void on_recorded(const Order& order, const Outcome& outcome, const std::string& disabled, std::exception_ptr failure);
  net::ClientRequest make_request(const Order& order) const;
  net::Awaitable<void> access(bool is_write, store::Work work);

  net::IoContext& io_;
  store::Database& database_;
  const fleet::Sealer& sealer_;
  const base::Clock& clock_;
  base::Random& random_;
  base::IdGenerator& ids_;
  observe::Registry& metrics_;
  const observe::Logger& log_;
  const Send send_;
  const DelivererOptions options_;
  net::Signal looked_for_;
  observe::Gauge pending_, disabled_;
  observe::Histogram latency_;
  bool news_expected_ = true;
  bool listening_ = true;
  std::optional<bool> steps_wanted_;  // as last told
  bool has_old_ = false;              // deliveries to be forgotten, a page in each turn
  bool stopped_ = false;
  std::int64_t sending_ = 0;
  std::optional<base::Instant> inspected_at_;
};

}  // namespace slipway::notify
