#include "app/cloud_config.h"

#include <gtest/gtest.h>

namespace slipway::app {
namespace {

constexpr std::string_view kLeast = "[google]\nproject = \"acme-prod\"\nlocation = \"europe-west1\"\n";

// The message of the error that this text is refused with.
std::string refusal(const std::string& text) {
  try {
    parse_cloud_config(text);
  } catch (const base::Error& error) {
    EXPECT_EQ(error.code(), "VALIDATION_ERROR");
    return error.message();
  }
  return "it was taken";
}

TEST(CloudConfig, ProjectAndLocationAreEnough) {
  const auto config = parse_cloud_config(kLeast);
  EXPECT_EQ(config.google.project, "acme-prod");
  EXPECT_EQ(config.pubsub.subscription, "workstation-provisioning-sub");  // WP-1
  EXPECT_EQ(config.pubsub.events_topic, "workstation-events");            // WP-9
  EXPECT_EQ(config.mail.sender, "noreply@coditect.ai");                   // WP-8
}

// WP-2
TEST(CloudConfig, TiersAreThoseOfTheSpecUnlessTheyAreGiven) {
  const auto usual = tiers_of(parse_cloud_config(kLeast));
  const auto& business = usual.get("business");
  EXPECT_EQ(business.machine_type, "n2-highmem-8");
  EXPECT_EQ(business.vcpus, 8);
  EXPECT_EQ(business.memory_gb, 64);
  EXPECT_EQ(business.disk_gb, 200);
  EXPECT_EQ(business.monthly_cost_usd, 200);

  const auto own = tiers_of(parse_cloud_config(
      std::string(kLeast) +
      "[[tiers]]\nname = \"tiny\"\nmachine_type = \"e2-small\"\nvcpus = 1\nmemory_gb = 2\ndisk_gb = 10\n"));
  EXPECT_EQ(own.all().size(), 1u);
  EXPECT_EQ(own.get("tiny").config_id(), "tiny");
  EXPECT_THROW(own.get("business"), base::Error);
}

TEST(CloudConfig, AKeyThatIsUnknownIsNamed) {
  EXPECT_NE(refusal(std::string(kLeast) + "zone = \"a\"\n").find("google/zone"), std::string::npos);
  EXPECT_NE(refusal(std::string(kLeast) + "[mial]\n").find("mial"), std::string::npos);
  EXPECT_NE(refusal(std::string(kLeast) +
                    "[[tiers]]\nname = \"x\"\nmachine_type = \"m\"\nvcpus = 1\nmemory_gb = 1\ndisk_gb = 50\n"
                    "price = 3\n")
                .find("price"),
            std::string::npos);
}

TEST(CloudConfig, AValueThatCannotBeIsNamed) {
  EXPECT_NE(refusal("[google]\nlocation = \"x\"\n").find("google/project"), std::string::npos);
  EXPECT_NE(refusal(std::string(kLeast) + "[workstations]\npoll_every = \"often\"\n").find("workstations/poll_every"),
            std::string::npos);
  EXPECT_NE(refusal(std::string(kLeast) + "[workstations]\npoll_every = 5\n").find("poll_every"), std::string::npos);
  EXPECT_NE(refusal(std::string(kLeast) + "[mail]\nurl = \"http://x\"\n").find("mail/url"), std::string::npos);
  EXPECT_NE(refusal(std::string(kLeast) + "[pubsub]\nsubscription = \"ab\"\n").find("pubsub/subscription"),
            std::string::npos);
  EXPECT_NE(refusal("[google\n").find("line 1"), std::string::npos);
  EXPECT_NE(refusal(std::string(kLeast) +
                    "[[tiers]]\nname = \"a\"\nmachine_type = \"m\"\nvcpus = 1\nmemory_gb = 1\ndisk_gb = 30\n")
                .find("disk_gb"),
            std::string::npos);
}

}  // namespace
}  // namespace slipway::app
