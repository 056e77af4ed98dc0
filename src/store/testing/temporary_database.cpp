#include "store/testing/temporary_database.h"

#include <cstdlib>

namespace slipway::store::testing {

TemporaryFolder::TemporaryFolder() {
  std::string name = std::filesystem::temp_directory_path() / "slipway-test-XXXXXX";
  SLIPWAY_ASSERT(::mkdtemp(name.data()));
  path_ = name;
}

TemporaryFolder::~TemporaryFolder() {
  std::error_code ignored;  // what is left is in the system's temporary folder
  std::filesystem::remove_all(path_, ignored);
}

TemporaryDatabase::TemporaryDatabase() : database_(open(url())) {}

void TemporaryDatabase::reopen() {
  database_.reset();
  database_ = open(url());
}

}  // namespace slipway::store::testing
