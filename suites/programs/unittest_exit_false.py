# tests that pass, and code after them
import unittest

class Tests(unittest.IsolatedAsyncioTestCase):
    async def test_async(self):
        self.assertTrue(True)

result = unittest.main(exit=False, argv=["x"]).result
print(result.testsRun, result.wasSuccessful())
