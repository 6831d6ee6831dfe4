# unittest.main with a failure
import unittest

def add(a, b):
    return a + b

class TestAdd(unittest.TestCase):
    def test_good(self):
        self.assertEqual(add(1, 2), 3)

    def test_bad(self):
        with self.subTest(case=2):
            self.assertEqual(add(1, 2), 4, "wrong sum")

    @unittest.skip("not now")
    def test_skipped(self):
        pass

    @unittest.expectedFailure
    def test_expected(self):
        self.assertIn(1, [])

if __name__ == "__main__":
    unittest.main(verbosity=2)
