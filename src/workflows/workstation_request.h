#pragma once
// What asks for a workstation: the message of a finished checkout (WP-1), or a request of the API. Plain functions.

#include <optional>
#include <string>
#include <string_view>

#include "base/json.h"
#include "base/random.h"
#include "durable/engine.h"
#include "fleet/tier.h"

namespace slipway::workflows {

inline constexpr std::string_view kProvisionType = "workstation.provision";
// Where the operator made such a queue, provisionings wait in it, by organization.
inline constexpr std::string_view kWorkstationQueue = "workstations";
inline constexpr std::size_t kOrderBytesMax = 16 << 10;  // four short texts and what a sender may add
inline constexpr std::size_t kPartyIdMax = 128;          // of a user or organization
inline constexpr std::size_t kEmailMax = 254;            // RFC 5321 §4.5.3.1.3

// The message's body. Further members are ignored: who sends it may add some.
struct Order {
  std::string user_id;
  std::string org_id;
  std::string tier;
  std::string user_email;
};
SLIPWAY_JSON_SNAKE(Order, user_id, org_id, tier, user_email)

// Where an order came from: for the audit and for people.
struct OrderSource {
  std::string kind = "api";  // or message
  std::string by;            // the user who asked, or "pubsub"
  std::string remote;        // the subscription, or the address of who asked
  std::string message_id;
  std::optional<base::Instant> published_at;
};
SLIPWAY_JSON_CAMEL(OrderSource, kind, by, remote, message_id, published_at)

// The input of workstation.provision.
struct ProvisionRequest {
  std::string workstation_id;  // chosen before anything is made
  std::string user_id;
  std::string organization_id;
  std::string tier;
  std::string user_email;
  std::string sealed_environment;  // of further variables, as JSON; empty: none
  OrderSource source;
};
SLIPWAY_JSON_CAMEL(ProvisionRequest, workstation_id, user_id, organization_id, tier, user_email, sealed_environment,
                   source)

// Reads a message's body. Throws VALIDATION_ERROR naming the member; `Order` is then whole and its tier known.
Order read_order(std::string_view data, const fleet::Tiers& tiers);
// The same checks for an order that came in another way.
void check_order(const Order& order, const fleet::Tiers& tiers);

// ws-, up to eight characters of the user's id, and ten random ones (50 bits): unique, not to be guessed from the user,
// and a resource id of the cloud (WP-3).
std::string make_workstation_id(std::string_view user_id, base::Random& random);

ProvisionRequest make_provision_request(const Order& order, OrderSource source, base::Random& random);
// For Engine::make_record. Owned by the user it is for.
durable::StartRequest start_request(const ProvisionRequest& request);

}  // namespace slipway::workflows
