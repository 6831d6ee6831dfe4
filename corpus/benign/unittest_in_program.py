import io
import unittest
from unittest import mock


def divide(a, b):
    return a / b


class DivideTest(unittest.TestCase):
    def setUp(self):
        self.cases = [(6, 3, 2), (1, 4, 0.25)]

    def test_values(self):
        for a, b, expected in self.cases:
            with self.subTest(a=a, b=b):
                self.assertEqual(divide(a, b), expected)

    def test_zero(self):
        with self.assertRaises(ZeroDivisionError):
            divide(1, 0)

    @unittest.skip("not today")
    def test_skipped(self): ...

    def test_wrong(self):
        self.assertAlmostEqual(divide(1, 3), 0.34)


suite = unittest.defaultTestLoader.loadTestsFromTestCase(DivideTest)
result = unittest.TextTestRunner(stream=io.StringIO(), verbosity=2).run(suite)
print(result.testsRun, len(result.failures), len(result.errors), len(result.skipped), result.wasSuccessful())
print(result.failures[0][0].id().split(".")[-1])
service = mock.Mock(return_value=3)
print(service("x"), service.call_args.args)
with mock.patch(f"{__name__}.divide", return_value="patched"):
    print(divide(1, 2))
print(divide(1, 2))
