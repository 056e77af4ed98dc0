#include "fleet/sealer.h"

#include <gtest/gtest.h>

#include <fstream>

#include "base/error.h"
#include "store/testing/temporary_database.h"

namespace slipway::fleet {
namespace {

const base::Secret kKey(std::string(32, 'k'));

TEST(Sealer, OpensWhatItSealedAndNothingElse) {
  const Sealer sealer(kKey), other(base::Secret(std::string(32, 'x')));
  const auto sealed = sealer.seal(base::Secret("a secret"));
  EXPECT_EQ(sealed.find("secret"), std::string::npos);
  EXPECT_EQ(sealer.unseal(sealed).reveal(), "a secret");
  EXPECT_THROW(other.unseal(sealed), base::Error);
  EXPECT_THROW(sealer.unseal(""), base::Error);
  for (std::size_t i = 0; i < sealed.size(); ++i) {
    auto changed = sealed;
    changed[i] = changed[i] == 'A' ? 'B' : 'A';
    EXPECT_THROW(sealer.unseal(changed), base::Error) << "byte " << i;
  }
}

TEST(Sealer, TheSameTextIsSealedDifferentlyEachTime) {
  const Sealer sealer(kKey);
  EXPECT_NE(sealer.seal(base::Secret("x")), sealer.seal(base::Secret("x")));
}

TEST(Sealer, DerivesTheSameSecretForTheSamePurposeOnly) {
  const Sealer sealer(kKey);
  EXPECT_EQ(sealer.derive("a").reveal(), Sealer(kKey).derive("a").reveal());
  EXPECT_NE(sealer.derive("a").reveal(), sealer.derive("b").reveal());
}

TEST(Sealer, MakesItsKeyFileOnceAndRefusesOneThatOthersCanRead) {
  const store::testing::TemporaryFolder folder;
  const auto file = folder.path() / "seal.key";
  const auto sealed = Sealer::open(file).seal(base::Secret("kept"));
  EXPECT_EQ(Sealer::open(file).unseal(sealed).reveal(), "kept");
  std::filesystem::permissions(file, std::filesystem::perms::others_read, std::filesystem::perm_options::add);
  EXPECT_THROW(Sealer::open(file), base::Error);
}

TEST(Sealer, RefusesAFileThatIsNoKey) {
  const store::testing::TemporaryFolder folder;
  const auto file = folder.path() / "seal.key";
  std::ofstream(file) << "nonsense\n";
  std::filesystem::permissions(file, std::filesystem::perms::owner_read | std::filesystem::perms::owner_write);
  EXPECT_THROW(Sealer::open(file), base::Error);
}

}  // namespace
}  // namespace slipway::fleet
