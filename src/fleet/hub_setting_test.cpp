#include "fleet/hub_setting.h"

#include <gtest/gtest.h>

#include "store/testing/temporary_database.h"

namespace slipway::fleet {
namespace {

TEST(HubSetting, TheFirstWriterDecidesForGood) {
  store::testing::TemporaryDatabase database;
  const auto ask = [&](const std::string& first) {
    std::string value;
    database->write_and_wait([&](store::Transaction& tx) { value = hub_setting(tx, "hub-id", first); });
    return value;
  };
  EXPECT_EQ(ask("one"), "one");
  EXPECT_EQ(ask("two"), "one");
  database.reopen();
  EXPECT_EQ(ask("three"), "one");
}

}  // namespace
}  // namespace slipway::fleet
