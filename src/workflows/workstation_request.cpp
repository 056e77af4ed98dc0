#include "workflows/workstation_request.h"

#include <algorithm>

#include "notify/mail_message.h"

namespace slipway::workflows {
namespace {

constexpr std::size_t kPrefixMax = 8;
constexpr std::size_t kSuffixLength = 10;
constexpr std::string_view kSuffixLetters = "abcdefghijkmnpqrstuvwxyz23456789";  // 32, none taken for another
static_assert(kSuffixLetters.size() == 32);

bool is_alphanumeric(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9'); }

void check_party(std::string_view field, const std::string& id) {
  if (id.empty()) throw base::validation_error(field, "must not be empty");
  if (id.size() > kPartyIdMax)
    throw base::validation_error(field, "is longer than " + std::to_string(kPartyIdMax) + " characters");
  const auto fits = [](char c) {
    return is_alphanumeric(c) || std::string_view("._:@|+-").find(c) != std::string_view::npos;
  };
  if (!std::ranges::all_of(id, fits))
    throw base::validation_error(field, "may have only letters, digits and . _ : @ | + -");
}

}  // namespace

Order read_order(std::string_view data, const fleet::Tiers& tiers) {
  if (data.size() > kOrderBytesMax)
    throw base::validation_error("message", "is larger than " + std::to_string(kOrderBytesMax) + " bytes");
  const auto value = json::parse_value(data, "message");
  if (!value.is_object()) throw base::validation_error("message", "must be an object");
  for (const auto* member : {"user_id", "org_id", "tier", "user_email"})
    if (!value.as_object().contains(member)) throw base::validation_error(member, "is missing");
  auto order = json::from_value<Order>(value, json::Mode::lenient);
  check_order(order, tiers);
  return order;
}

void check_order(const Order& order, const fleet::Tiers& tiers) {
  check_party("user_id", order.user_id);
  check_party("org_id", order.org_id);
  notify::validate_address("user_email", order.user_email);  // or the mail would be refused when all is done
  tiers.get(order.tier);
}

std::string make_workstation_id(std::string_view user_id, base::Random& random) {
  std::string id = "ws-";
  for (const char c : user_id) {
    if (id.size() == 3 + kPrefixMax) break;
    if (is_alphanumeric(c)) id += char(c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c);
  }
  if (id.back() != '-') id += '-';
  for (std::size_t i = 0; i < kSuffixLength; ++i) id += kSuffixLetters[random.below(kSuffixLetters.size())];
  return id;
}

ProvisionRequest make_provision_request(const Order& order, OrderSource source, base::Random& random) {
  return {.workstation_id = make_workstation_id(order.user_id, random),
          .user_id = order.user_id,
          .organization_id = order.org_id,
          .tier = order.tier,
          .user_email = order.user_email,
          .sealed_environment = {},
          .source = std::move(source)};
}

durable::StartRequest start_request(const ProvisionRequest& request) {
  return {.type = std::string(kProvisionType),
          .resource_type = "workstation",
          .resource_id = request.workstation_id,
          .triggered_by = request.source.by,
          .owner_id = request.user_id,
          .input = json::to_value(request),
          .ticket = durable::Ticket{.queue = std::string(kWorkstationQueue), .key = request.organization_id}};
}

}  // namespace slipway::workflows
