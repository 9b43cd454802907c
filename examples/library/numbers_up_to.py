def main():
    return {"numbers": [number / 2 for number in range(1, 101)]}


def check(sum, count):
    return {"mean": sum / count}
