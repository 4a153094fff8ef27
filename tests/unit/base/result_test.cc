#include "juxmem/base/result.h"

#include <gtest/gtest.h>

namespace juxmem {
namespace {

TEST(ErrorText, DetailIsFollowedByTheCodesText) {
  EXPECT_EQ(to_string(Error{Code::kNotFound, "block 3:1"}), "block 3:1 (there is no such block or file)");
  EXPECT_EQ(to_string(Error{Code::kNotFound, {}}), "there is no such block or file");
}

TEST(ErrorText, TextIsNeverThereTwice) {
  const Error once{Code::kNotFound, "block 3:1"};
  EXPECT_EQ(to_string(Error{Code::kNotFound, to_string(once)}), to_string(once));
  EXPECT_EQ(to_string(Error{Code::kNotFound, "there is no such block or file"}), "there is no such block or file");
}

}  // namespace
}  // namespace juxmem
