"""Local web pages over the store: images, votes and mistakes (extra: realdb[browse]).

server.py      start: the socket, the address, uvicorn
app.py         the routes, and the rules for requests and responses
pages.py       one function for each page; templates/ has their HTML
images.py      filters, counts and orders of images
prepared.py    the prepared tables: the cache, and the changes of the store
preparing.py   the process that prepares them
pictures.py    the pictures of a folder or archive, in two sizes
console.py     the SQL console; worker.py is its process
"""
