# For grading without a network: docker build -t gradflow .
# docker run --rm --network none --memory 8g -v "$PWD/notebooks":/class:ro -v "$PWD":/out -w /out gradflow grade /class
FROM python:3.12-slim
COPY . /book
RUN pip install --no-cache-dir -c /book/constraints.txt "/book[grading]"
ENTRYPOINT ["python", "-m", "gradflow.exercises"]
