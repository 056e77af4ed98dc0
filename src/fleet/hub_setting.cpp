#include "fleet/hub_setting.h"

namespace slipway::fleet {

std::string hub_setting(store::Transaction& tx, std::string_view name, const std::string& first) {
  tx.execute("INSERT INTO hub_settings (name, value) VALUES ($1, $2) ON CONFLICT (name) DO NOTHING", {name, first});
  return tx.query("SELECT value FROM hub_settings WHERE name = $1", {name}).front().text(0);
}

}  // namespace slipway::fleet
